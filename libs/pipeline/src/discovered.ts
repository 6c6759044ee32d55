import type { TableName } from '@cinelake/contracts'
import { compilePattern, repeat, sequence, sha256, type Pattern } from '@cinelake/core'
import type { DatabaseSource } from './checked/database-source.ts'

/** Schemas that a table's refined name does not mention: the ones where a database puts tables by itself. */
const DEFAULT_SCHEMAS: ReadonlySet<string> = new Set(['public', 'dbo'])

/** Whether a discovered table is one of those that the source copies: `include` says so and `exclude` does not. */
export function isWanted(source: Pick<DatabaseSource, 'include' | 'exclude'>, table: TableName): boolean {
  const name = `${table.schema}.${table.name}`
  const matches = (pattern: string) => compilePattern(tablePattern(pattern)).match(name) !== undefined
  return source.include.some(matches) && !source.exclude.some(matches)
}

/**
 * The refined tables of undeclared tables, in the same order: `<source>_<table>`, with the schema in between when it is
 * not the default one or when two tables would share a name. Lower case, other characters than letters, digits and `_`
 * become `_`: these are folder names in the lake and names in SQL.
 * @param taken names that datasets and models have already
 */
export function refinedNames(source: string, tables: readonly TableName[], taken: ReadonlySet<string>): string[] {
  const used = new Set(taken)
  return tables.map((table) => {
    const full = plainName(`${source}_${table.schema}_${table.name}`)
    const short = DEFAULT_SCHEMAS.has(table.schema) ? plainName(`${source}_${table.name}`) : full
    const unique = `${full}_${sha256(`${table.schema}.${table.name}`).slice(0, 8)}`
    const name = [short, full].find((candidate) => !used.has(candidate)) ?? unique
    used.add(name)
    return name
  })
}

function plainName(text: string): string {
  return text.toLowerCase().replace(/[^\p{L}\p{N}_]/gu, '_')
}

/** `*` stands for any text; case does not matter. */
function tablePattern(pattern: string): Pattern {
  const any = repeat({ kind: 'char', test: () => true })
  return sequence(
    ...pattern.split('*').flatMap((text, index) => [...(index > 0 ? [any] : []), ...Array.from(text, caseless)]),
  )
}

function caseless(own: string): Pattern {
  const expression = new RegExp(`^${RegExp.escape(own)}$`, 'isu')
  return { kind: 'char', test: (char) => char === own || expression.test(char) }
}
