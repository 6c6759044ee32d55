import { faultOf, type MssqlSession } from '@cinelake/database/sql-server'
import { missingRights } from '../missing-rights.ts'
import { MART } from '../warehouse.ts'
import { addSchema, grant, LOADER } from './sql.ts'

/** What is needed on each schema: a load of a table of `mart` moves it there, and reads and changes it. */
const NEEDED = [
  { schema: MART, rights: ['ALTER', 'SELECT', 'INSERT', 'UPDATE', 'DELETE'] },
  { schema: LOADER, rights: ['CONTROL'] },
] as const

const may = (on: string, kind: 'DATABASE' | 'SCHEMA', right: string) =>
  `COALESCE(HAS_PERMS_BY_NAME(${on}, N'${kind}', N'${right}'), 0)`

/** Another schema that a load may move tables to: that of a pipeline. */
const mayElsewhere = `(SELECT COUNT(*) FROM sys.schemas WHERE schema_id < 16384 AND name NOT IN (N'${MART}', N'${LOADER}', N'dbo', N'guest', N'sys', N'INFORMATION_SCHEMA') AND ${may('QUOTENAME(name)', 'SCHEMA', 'ALTER')} = 1)`

/** `mart`, `loader`: null where the schema is not there; else whether there are all rights on it. */
const RIGHTS = `SELECT USER_NAME() AS [service], ${may('DB_NAME()', 'DATABASE', 'CREATE TABLE')} AS [create_table], ${may('DB_NAME()', 'DATABASE', 'CREATE SCHEMA')} AS [create_schema], ${NEEDED.map(
  ({ schema, rights }) =>
    `CASE WHEN SCHEMA_ID(N'${schema}') IS NULL THEN NULL ELSE ${rights.map((right) => may(`N'${schema}'`, 'SCHEMA', right)).join(' * ')} END AS [${schema}]`,
).join(', ')}, ${mayElsewhere} AS [elsewhere]`

type Found = {
  readonly service: string
  readonly create_table: number
  readonly create_schema: number
  readonly [MART]: number | null
  readonly [LOADER]: number | null
  readonly elsewhere?: number
}

/** "Is not a recognized built-in function name", and "cannot find … function": a server without such a function. */
const NO_FUNCTION: ReadonlySet<number | undefined> = new Set([195, 4121])

/**
 * @throws {ConfigError} terminal: names the rights that are missing, as the statements that give them. A server that
 * cannot tell them is believed.
 */
export async function requireLoaderRights(session: MssqlSession, location: string): Promise<void> {
  const found = await rightsOf(session)
  const steps = found === undefined ? [] : stepsOf(found)
  if (found !== undefined && steps.length > 0) throw missingRights(location, found.service, steps)
}

async function rightsOf(session: MssqlSession): Promise<Found | undefined> {
  try {
    return (await session.run<Found>(RIGHTS)).rows[0]
  } catch (error) {
    if (NO_FUNCTION.has(faultOf(error)?.number)) return undefined
    throw error
  }
}

function stepsOf(found: Found): string[] {
  const { service } = found
  return [
    ...NEEDED.flatMap(({ schema }) => {
      const held = found[schema]
      if (held === 1 || (held === null && found.create_schema === 1)) return []
      if (schema === MART && held === 0 && (found.elsewhere ?? 0) > 0) return []
      return [...(held === null ? [addSchema(schema)] : []), grant(`CONTROL ON SCHEMA::[${schema}]`, service)]
    }),
    ...(found.create_table === 1 ? [] : [grant('CREATE TABLE', service)]),
  ]
}
