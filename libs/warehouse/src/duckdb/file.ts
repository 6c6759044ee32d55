import { ConfigError, defineErrors, makeDirectory, reasonOf, terminal, TransientError } from '@cinelake/core'
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { WarehouseUnavailableError } from '../errors.ts'

/** Milliseconds that another process is given to close the file. */
const WAIT_MS = 20_000
const WAIT_INTERVAL_MS = 100
/** Milliseconds. DuckDB forgets an interrupt that comes before the statement has started. */
const INTERRUPT_INTERVAL_MS = 10

/** What DuckDB may keep in memory; beyond it, it spills to `FILE.tmp`. A laptop has the engine's beside it. */
const MEMORY_LIMIT = '1GB'

const OPTIONS = {
  memory_limit: MEMORY_LIMIT,
  // Errors as JSON carry their kind and position; nothing has to be read out of sentences.
  errors_as_json: 'true',
  // A query can access the file only: no other files, no network, no extensions.
  enable_external_access: 'false',
  autoinstall_known_extensions: 'false',
  autoload_known_extensions: 'false',
}

/** Another process has the file open. DuckDB lets one process write, or several read. */
class WarehouseFileInUseError extends TransientError {
  readonly code = 'WAREHOUSE_FILE_IN_USE'

  constructor(file: string, holder: string, options?: ErrorOptions) {
    super(
      `the DuckDB file is open in another process [file=${file}, holder=${holder}]: expected it to be free within ${WAIT_MS / 1000} s, ` +
        'since DuckDB lets one process write to a file, or several only read it; close it there (DuckDB, a notebook, a BI tool, ' +
        'another `cinelake run`), or name another file in CINELAKE_WAREHOUSE',
      { file, holder },
      options,
    )
  }
}

const duckDbErrors = defineErrors({
  /** The file is not a DuckDB database, or one of a newer version. */
  WAREHOUSE_FILE_INVALID: terminal((file: string, reason: string) => [
    `the DuckDB file cannot be opened [file=${file}]: ${reason}; name another file in CINELAKE_WAREHOUSE, or move this one away ` +
      'to begin with an empty warehouse (the next run loads every table again from the lake)',
    { file, reason },
  ]),
})

/** A DuckDB file that is open only during loads and queries; within a process, all share one instance of DuckDB. */
export interface DuckDbFile {
  readonly location: string
  /**
   * Runs work on its own connection, in UTC. A transaction that it leaves open is rolled back.
   * @throws {WarehouseFileInUseError} transient @throws {WAREHOUSE_FILE_INVALID} terminal
   * @throws {ConfigError} terminal: read-only, and there is no file
   */
  use<Result>(work: (connection: DuckDBConnection) => Promise<Result>, signal?: AbortSignal): Promise<Result>
}

export function createDuckDbFile(file: string, { isReadOnly }: { readonly isReadOnly: boolean }): DuckDbFile {
  const target = path.resolve(file)
  let opened: Promise<DuckDBInstance> | undefined
  let userCount = 0
  return {
    location: `duckdb:${file}`,
    async use(work, signal) {
      signal?.throwIfAborted()
      userCount += 1
      try {
        opened ??= open(target, file, isReadOnly)
        const connection = await (await opened).connect()
        try {
          return await interruptible(connection, signal, async () => await work(connection))
        } finally {
          connection.disconnectSync()
        }
      } finally {
        userCount -= 1
        if (userCount === 0) {
          const closing = opened
          opened = undefined
          await closing?.then(
            (instance) => instance.closeSync(),
            () => {},
          )
        }
      }
    },
  }
}

async function interruptible<Result>(
  connection: DuckDBConnection,
  signal: AbortSignal | undefined,
  work: () => Promise<Result>,
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const interrupt = () => {
    connection.interrupt()
    timer = setInterval(() => connection.interrupt(), INTERRUPT_INTERVAL_MS)
  }
  signal?.addEventListener('abort', interrupt, { once: true })
  try {
    return await work()
  } finally {
    signal?.removeEventListener('abort', interrupt)
    clearInterval(timer)
  }
}

async function open(target: string, file: string, isReadOnly: boolean): Promise<DuckDBInstance> {
  const giveUpAt = performance.now() + WAIT_MS
  for (;;) {
    try {
      if (!isReadOnly) await makeDirectory(path.dirname(target))
      return await openNow(target, isReadOnly)
    } catch (error) {
      const failure = openError(error, file)
      if (!(failure instanceof WarehouseFileInUseError) || performance.now() > giveUpAt) throw failure
    }
    await pause(WAIT_INTERVAL_MS)
  }
}

async function openNow(target: string, isReadOnly: boolean): Promise<DuckDBInstance> {
  const instance = await DuckDBInstance.fromCache(target, {
    ...OPTIONS,
    access_mode: isReadOnly ? 'READ_ONLY' : 'READ_WRITE',
  })
  const connection = await instance.connect()
  try {
    await connection.run("SET GLOBAL TimeZone = 'UTC'")
  } finally {
    connection.disconnectSync()
  }
  return instance
}

function openError(thrown: unknown, file: string): unknown {
  const reason = reasonOf(thrown)
  const holder = /Conflicting lock is held in (.+? \(PID \d+\))/.exec(reason)?.[1]
  if (holder !== undefined) return new WarehouseFileInUseError(file, holder, { cause: thrown })
  if (/could not set lock|different configuration|used by another process/i.test(reason))
    return new WarehouseFileInUseError(file, 'unknown', { cause: thrown })
  if (reason.includes('database does not exist')) {
    return new ConfigError(
      'there is nothing to look into yet',
      [
        `${file}: expected a DuckDB file that a run made, got none; run a pipeline first, or name another in CINELAKE_WAREHOUSE`,
      ],
      { cause: thrown },
    )
  }
  if (/not a valid DuckDB database|version number|newer version|corrupt/i.test(reason))
    return duckDbErrors.WAREHOUSE_FILE_INVALID(file, reason, { cause: thrown })
  return new WarehouseUnavailableError(`duckdb:${file}`, reason, { cause: thrown })
}
