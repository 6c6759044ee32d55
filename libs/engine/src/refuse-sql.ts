import type { AuditOptions, SqlSession } from './engine.ts'
import { SqlRefusedError } from './errors.ts'

/**
 * Stops SQL of a pipeline that reads something besides its inputs before the engine runs it: `validate` has said so, but
 * what is run may have been checked by another version, or by none.
 * @param what the SQL is, for the message: `model top_titles`
 * @throws {SqlRefusedError} terminal
 */
export async function refuseForeignSql(
  session: Pick<SqlSession, 'audit'>,
  what: string,
  sql: string,
  options: AuditOptions,
): Promise<void> {
  const [refusal] = await session.audit(sql, options)
  if (refusal !== undefined) throw new SqlRefusedError(what, refusal)
}
