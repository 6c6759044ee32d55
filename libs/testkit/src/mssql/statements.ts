import type { ApplicationLocks } from './applocks.ts'
import type { Answer, EmbeddedDatabase } from './database.ts'
import { describeResult, runWithResultSet } from './result-sets.ts'
import { SqlServerError } from './faults.ts'
import { literal, qualified, quoted, stringOfLiteral, translate } from './transact-sql.ts'
import type { TdsValue } from './values.ts'

/** Where a statement runs. */
export type Scope = {
  readonly database: EmbeddedDatabase
  readonly locks: ApplicationLocks
  /** The owner of the locks. */
  readonly session: object
}

type Handler = (scope: Scope, match: readonly string[], parameters: readonly TdsValue[]) => Promise<Answer>

export const NOTHING: Answer = { columns: [], rows: [], rowCount: 0 }

/** Runs one statement of those that Cinelake sends. */
export async function runStatement(scope: Scope, sql: string, parameters: readonly TdsValue[]): Promise<Answer> {
  const statement = sql.trim().replace(/;$/, '')
  for (const [pattern, handler] of HANDLERS) {
    const match = pattern.exec(statement)
    if (match !== null) return await handler(scope, match, parameters)
  }
  return await scope.database.query(translate(statement), parameters)
}

const STRING = String.raw`N'((?:[^']|'')*)'`

/** What has another order of words in PostgreSQL, or no words at all. */
const HANDLERS: readonly (readonly [RegExp, Handler])[] = [
  // Settings of a connection are of no interest, apart from how many rows are wanted.
  [/^SET (?!ROWCOUNT)[^;]*$/is, async () => NOTHING],
  [
    /^(?:SET (?!ROWCOUNT)[^;]*;\s*)+(.+)$/is,
    async (scope, [, rest = ''], parameters) => await runStatement(scope, rest, parameters),
  ],
  [/^IF (.+? IS (?:NOT )?NULL) (.+)$/is, ifHolds],
  [
    new RegExp(`^EXEC\\(${STRING}\\)$`, 'is'),
    async (scope, [, inner = '']) => await runStatement(scope, stringOfLiteral(`N'${inner}'`), []),
  ],
  [/^ALTER SCHEMA (\[.+?\]) TRANSFER OBJECT::(\[.+\]\.\[.+\])$/is, transfer],
  [new RegExp(`^EXEC sys\\.sp_rename ${STRING}, ${STRING}, N'OBJECT'$`, 'is'), rename],
  [/^EXEC sys\.sp_addextendedproperty (.+)$/is, describeObject],
  [/^DECLARE @result int; EXEC @result = sys\.sp_getapplock (.+); SELECT @result AS \[result\]$/is, takeLock],
  [/^EXEC sys\.sp_releaseapplock /i, releaseLock],
  [
    /^CREATE USER (\[.+?\]) WITHOUT LOGIN/i,
    async (scope, [, user = '']) => await scope.database.query(`CREATE ROLE ${translate(user)}`),
  ],
  [
    /^GRANT SELECT ON SCHEMA::(\[.+?\]) TO (\[.+?\])$/i,
    async (scope, [, schema = '', user = '']) =>
      await scope.database.query(`GRANT USAGE ON SCHEMA ${translate(schema)} TO ${translate(user)}`),
  ],
  [new RegExp(`^EXECUTE AS USER = ${STRING}; (.+); REVERT$`, 'is'), asUser],
  [
    /^EXEC sys\.sp_describe_first_result_set @tsql = @1,/i,
    async ({ database }, _, [sql]) => await describeResult(database, String(sql)),
  ],
  [
    /^SET ROWCOUNT (\d+); EXEC sys\.sp_executesql @1 WITH RESULT SETS \(\((.*)\)\)$/is,
    async ({ database }, [, limit = '', columns = ''], [sql]) =>
      await runWithResultSet(database, String(sql), columns, Number(limit)),
  ],
]

async function ifHolds(
  scope: Scope,
  [, condition = '', statement = '']: readonly string[],
  parameters: readonly TdsValue[],
): Promise<Answer> {
  const { rows } = await scope.database.query(`SELECT ${translate(condition)}`)
  return rows[0]?.[0] === 't' ? await runStatement(scope, statement, parameters) : NOTHING
}

async function transfer({ database }: Scope, [, schema = '', table = '']: readonly string[]): Promise<Answer> {
  return await database.query(`ALTER TABLE ${translate(table)} SET SCHEMA ${translate(schema)}`)
}

/** Of a table or a primary key. */
async function rename({ database }: Scope, [, from = '', to = '']: readonly string[]): Promise<Answer> {
  const [schema, name] = qualified(stringOfLiteral(`N'${from}'`))
  const target = quoted(stringOfLiteral(`N'${to}'`))
  const { rows } = await database.query(
    `SELECT c.relname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE k.conname = $1 AND n.nspname = $2`,
    [name, schema],
  )
  const owner = rows[0]?.[0]
  const [table, what] = owner == null ? [name, ''] : [owner, `CONSTRAINT ${quoted(name)} `]
  return await database.query(`ALTER TABLE ${quoted(schema)}.${quoted(table)} RENAME ${what}TO ${target}`)
}

/** The arguments of a procedure, by name. */
function argumentsOf(text: string): ReadonlyMap<string, string> {
  const found = text.matchAll(/@(\w+) = (N'(?:[^']|'')*'|@\w+|\w+)/g)
  return new Map([...found].map(([, name = '', value = '']) => [name, value]))
}

async function describeObject({ database }: Scope, [, text = '']: readonly string[]): Promise<Answer> {
  const values = argumentsOf(text)
  const of = (name: string) => stringOfLiteral(values.get(name) ?? '')
  const table = `${quoted(of('level0name'))}.${quoted(of('level1name'))}`
  const target = values.has('level2name') ? `COLUMN ${table}.${quoted(of('level2name'))}` : `TABLE ${table}`
  return await database.query(`COMMENT ON ${target} IS ${literal(of('value'))}`)
}

async function takeLock(
  { locks, session }: Scope,
  _: readonly string[],
  [name, owner, timeoutMs]: readonly TdsValue[],
): Promise<Answer> {
  const result = await locks.take(String(name), session, String(owner), Number(timeoutMs))
  return { columns: [{ name: 'result', type: 'int' }], rows: [[String(result)]], rowCount: 1 }
}

async function releaseLock(
  { locks, session }: Scope,
  _: readonly string[],
  [name]: readonly TdsValue[],
): Promise<Answer> {
  locks.release(String(name), session)
  return NOTHING
}

/** Runs the rest with the rights and the default schema of a user. Must be in a transaction, which undoes both. */
async function asUser(
  scope: Scope,
  [, user = '', statement = '']: readonly string[],
  parameters: readonly TdsValue[],
): Promise<Answer> {
  const role = quoted(user)
  const { rows } = await scope.database.query(`SELECT 1 FROM pg_roles WHERE rolname = $1`, [user])
  if (rows.length === 0) throw new SqlServerError(15517, `Cannot execute as the database principal "${user}".`)
  // Rights on a schema are rights on what comes into it later.
  const schemas = await scope.database.query(
    `SELECT quote_ident(nspname) FROM pg_namespace
     WHERE has_schema_privilege($1, oid, 'USAGE') AND nspname !~ '^(pg_|information_schema$|sys$|public$)'`,
    [user],
  )
  for (const [schema] of schemas.rows) {
    await scope.database.exec(`GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO ${role}`)
  }
  await scope.database.exec(`SET LOCAL search_path = mart, public; SET LOCAL ROLE ${role}`)
  const answer = await runStatement(scope, statement, parameters)
  await scope.database.exec('RESET ROLE; SET LOCAL search_path = public')
  return answer
}
