import { silentLog, type Log } from '@cinelake/core'
import { setTimeout as pause } from 'node:timers/promises'
import { DatabaseInUseError } from '../errors.ts'
import { connectBeside } from './pglite-beside.ts'
import { openHere, type PgliteDatabase } from './pglite-database.ts'
import type { PostgresDatabase } from './database.ts'

/** Milliseconds in which a process that opens or closes the database comes to serve it, or leaves. */
const WAIT_MS = 20_000
const WAIT_INTERVAL_MS = 50

/**
 * Opens the embedded PostgreSQL of a directory to read it: beside the process that has it open, or, where there is none, in this
 * process, which then lets others read beside it.
 * @throws {DatabaseInUseError} transient: another process has it open, and lets no process read beside it
 * @throws {WAREHOUSE_DIRECTORY_INVALID} terminal: what is in the directory cannot be opened as a database
 */
export async function openPgliteReader<Schema>(
  directory: string,
  log: Log = silentLog,
): Promise<PgliteDatabase<Schema> | PostgresDatabase<Schema>> {
  const giveUpAt = performance.now() + WAIT_MS
  for (;;) {
    const beside = await connectBeside<Schema>(directory, log)
    if (beside !== undefined) return beside
    try {
      // It is open for as long as a command reads: who wants to work on it waits that long.
      return await openHere(directory, () => {})
    } catch (error) {
      if (!(error instanceof DatabaseInUseError) || performance.now() > giveUpAt) throw error
    }
    await pause(WAIT_INTERVAL_MS)
  }
}
