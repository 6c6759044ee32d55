import { ConfigError } from '@cinelake/core'
import { DatabaseUnavailableError } from '../errors.ts'
import { faultOf } from './faults.ts'
import type { MssqlSession } from './session.ts'

/** How long a lock is held: until the transaction ends, or until it is released or the connection ends. */
export type LockOwner = 'Transaction' | 'Session'

/** Everyone with access to the database is `public`, so the lock needs no grant. */
const TAKE = `DECLARE @result int; EXEC @result = sys.sp_getapplock @Resource = @1, @LockMode = N'Exclusive', @LockOwner = @2, @LockTimeout = @3, @DbPrincipal = N'public'; SELECT @result AS [result]`
const RELEASE = `EXEC sys.sp_releaseapplock @Resource = @1, @LockOwner = N'Session', @DbPrincipal = N'public'`

/** "Could not find stored procedure", "Invalid object name": servers differ in what they miss a procedure as. */
const NO_PROCEDURE: ReadonlySet<number | undefined> = new Set([2812, 208])

/**
 * Takes an application lock. @param name at most 255 characters @returns whether it is held now
 * @throws {ConfigError} terminal: the server has no application locks
 */
export async function tryLock(
  session: MssqlSession,
  name: string,
  owner: LockOwner,
  timeoutMs: number,
): Promise<boolean> {
  try {
    const { rows } = await session.run<{ result: number }>(TAKE, [name, owner, timeoutMs])
    return (rows[0]?.result ?? -1) >= 0
  } catch (error) {
    if (!NO_PROCEDURE.has(faultOf(error)?.number)) throw error
    throw new ConfigError(
      'the SQL Server cannot be used',
      ['expected SQL Server 2016 or newer, or Azure SQL, got a server without application locks (sp_getapplock)'],
      { cause: error },
    )
  }
}

/** @throws {DatabaseUnavailableError} transient: another process has held the lock for all that time */
export async function requireLock(
  session: MssqlSession,
  location: string,
  ...[name, owner, timeoutMs]: [name: string, owner: LockOwner, timeoutMs: number]
): Promise<void> {
  if (await tryLock(session, name, owner, timeoutMs)) return
  throw new DatabaseUnavailableError(location, `another process holds the lock ${name}`)
}

export async function releaseLock(session: MssqlSession, name: string): Promise<void> {
  await session.run(RELEASE, [name])
}
