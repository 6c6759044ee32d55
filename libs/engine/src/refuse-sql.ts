import type { AuditOptions, SqlSession } from './engine.ts'
import { engineErrors } from './errors.ts'

/**
 * Rejects SQL of a pipeline that reads something other than its inputs before the engine runs it: `validate` reports it
 * as well, but the text may have been checked by another version, or not at all.
 * @param what the SQL is, for the message: `model top_titles`
 * @throws {ENGINE_SQL_REFUSED} terminal
 */
export async function refuseForeignSql(
  session: Pick<SqlSession, 'audit'>,
  what: string,
  sql: string,
  options: AuditOptions,
): Promise<void> {
  const [refusal] = await session.audit(sql, options)
  if (refusal !== undefined) throw engineErrors.ENGINE_SQL_REFUSED(what, refusal)
}
