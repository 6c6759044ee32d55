import type { Lake } from '@cinelake/lake'
import { CALL } from '../call.ts'
import { refinedTablesNamed } from '../lake-tables.ts'

/**
 * A hint where the mart has no such table but the lake has.
 * @param lake undefined where the lake does not exist
 * @param name as the user wrote it, with or without a schema
 * @returns undefined where no pipeline has such a table
 */
export async function refinedOnly(lake: Lake | undefined, name: string): Promise<string | undefined> {
  const found = lake === undefined ? [] : await refinedTablesNamed(lake, name.replace(/^.*\./, ''))
  const [only, ...others] = found.map(({ pipeline, table }) => (found.length === 1 ? table : `${pipeline}.${table}`))
  if (only === undefined) return undefined
  const tables =
    others.length === 0 ? `${only} is a refined table` : `${[only, ...others].join(' and ')} are refined tables`
  return `${tables}, and the mart has none of that name: \`${CALL} query --lake "SELECT * FROM ${only}"\` reads it in the lake; to have it in the mart, name it under \`serve\` in pipeline.yaml`
}
