import {
  ConfigError,
  defineErrors,
  makeDirectory,
  PipelineError,
  reasonOf,
  terminal,
  TransientError,
} from '@cinelake/core'
import { literal } from '@cinelake/sql'
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { WarehouseUnavailableError } from '../errors.ts'
import { faultOf } from './errors.ts'

/** Milliseconds that another process is given to close the file. */
const WAIT_MS = 20_000
const WAIT_INTERVAL_MS = 100
/** Milliseconds. DuckDB forgets an interrupt that comes before the statement has started. */
const INTERRUPT_INTERVAL_MS = 10

/** What DuckDB may keep in memory by default, in MiB. */
const MEMORY_MIB = 1024

/**
 * The name of the file in SQL, whatever it is called: DuckDB's own choice, the file's stem, makes `mart.titles`
 * ambiguous in `mart.duckdb`. No schema of a pipeline has a hyphen.
 */
export const CATALOG = '"mart-file"'

const OPTIONS = {
  // Errors as JSON carry their kind and position; nothing has to be read out of sentences.
  errors_as_json: 'true',
  autoinstall_known_extensions: 'false',
  autoload_known_extensions: 'false',
}

/**
 * After the file is attached: it is the only database, beside which a schema may be called `memory`, and a query cannot
 * access other files, the network or extensions.
 */
const CLOSE = `
  USE ${CATALOG}.main; DETACH memory;
  SET GLOBAL TimeZone = 'UTC'; SET GLOBAL enable_external_access = false`

/** Another process has the file open. DuckDB lets one process write, or several read. */
class WarehouseFileInUseError extends TransientError {
  readonly code = 'WAREHOUSE_FILE_IN_USE'

  constructor(file: string, holder: string) {
    super(
      `the DuckDB file is open in another process [file=${file}, holder=${holder}]: expected it to be free within ${WAIT_MS / 1000} s, ` +
        'since DuckDB lets one process write to a file, or several only read it; close it there (DuckDB, a notebook, a BI tool, ' +
        'another `cinelake run`), or name another file in CINELAKE_WAREHOUSE',
      { file, holder },
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

export type DuckDbFileOptions = {
  readonly isReadOnly: boolean
  /** MiB that DuckDB may keep in memory; beyond it, it spills to `FILE.tmp`. Default: 1024. */
  readonly memoryMib?: number
}

/** The files that are open in this process, by path: the system's locks keep only other processes out. */
const opened = new Map<string, OpenedFile>()

type OpenedFile = {
  /** As it was opened: another way has to wait. */
  readonly options: string
  readonly instance: Promise<DuckDBInstance>
  userCount: number
}

export function createDuckDbFile(file: string, { isReadOnly, memoryMib = MEMORY_MIB }: DuckDbFileOptions): DuckDbFile {
  const settings = { file, target: path.resolve(file), isReadOnly, memoryMib }
  return {
    location: `duckdb:${file}`,
    async use(work, signal) {
      const { opening, instance } = await open(settings, signal)
      try {
        const connection = await instance.connect()
        try {
          await connection.run(`USE ${CATALOG}.main`)
          return await interruptible(connection, signal, async () => await work(connection))
        } finally {
          connection.disconnectSync()
        }
      } finally {
        leave(settings.target, opening, instance)
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
  // An aborted signal calls no listener.
  signal?.throwIfAborted()
  signal?.addEventListener('abort', interrupt, { once: true })
  try {
    return await work()
  } finally {
    signal?.removeEventListener('abort', interrupt)
    clearInterval(timer)
  }
}

type Settings = Required<DuckDbFileOptions> & { readonly file: string; readonly target: string }

/** Waits until no other process has the file, or this one has it open in the same way. */
async function open(
  settings: Settings,
  signal: AbortSignal | undefined,
): Promise<{ readonly opening: OpenedFile; readonly instance: DuckDBInstance }> {
  const giveUpAt = performance.now() + WAIT_MS
  for (;;) {
    signal?.throwIfAborted()
    try {
      const opening = join(settings)
      try {
        return { opening, instance: await opening.instance }
      } catch (error) {
        leave(settings.target, opening, undefined)
        throw error
      }
    } catch (error) {
      const failure = openError(error, settings.file)
      if (!(failure instanceof WarehouseFileInUseError) || performance.now() > giveUpAt) throw failure
    }
    await pause(WAIT_INTERVAL_MS, undefined, { signal })
  }
}

/** @throws {WarehouseFileInUseError} transient: it is open here, but otherwise */
function join(settings: Settings): OpenedFile {
  const { file, target, isReadOnly, memoryMib } = settings
  const options = JSON.stringify({ isReadOnly, memoryMib })
  const opening = opened.get(target) ?? { options, instance: openNow(settings), userCount: 0 }
  if (opening.options !== options) throw new WarehouseFileInUseError(file, 'this process')
  opened.set(target, opening)
  opening.userCount += 1
  return opening
}

/** The last one closes the file. */
function leave(target: string, opening: OpenedFile, instance: DuckDBInstance | undefined): void {
  opening.userCount -= 1
  if (opening.userCount > 0) return
  opened.delete(target)
  instance?.closeSync()
}

async function openNow({ target, isReadOnly, memoryMib }: Settings): Promise<DuckDBInstance> {
  if (!isReadOnly) await makeDirectory(path.dirname(target))
  const instance = await DuckDBInstance.create(':memory:', {
    ...OPTIONS,
    memory_limit: `${memoryMib}MiB`,
    temp_directory: `${target}.tmp`,
  })
  try {
    const connection = await instance.connect()
    try {
      await connection.run(`ATTACH ${literal(target)} AS ${CATALOG} (${isReadOnly ? 'READ_ONLY' : 'READ_WRITE'})`)
      await connection.run(CLOSE)
    } finally {
      connection.disconnectSync()
    }
    return instance
  } catch (error) {
    instance.closeSync()
    throw error
  }
}

function openError(thrown: unknown, file: string): unknown {
  if (thrown instanceof PipelineError) return thrown
  const reason = faultOf(thrown)?.message ?? reasonOf(thrown)
  const holder = /Conflicting lock is held in (.+? \(PID \d+\))/.exec(reason)?.[1]
  if (holder !== undefined) return new WarehouseFileInUseError(file, holder)
  if (/could not set lock|different configuration|used by another process/i.test(reason))
    return new WarehouseFileInUseError(file, 'unknown')
  if (reason.includes('database does not exist')) {
    return new ConfigError('there is nothing to look into yet', [
      `${file}: expected a DuckDB file that a run made, got none; run a pipeline first, or name another in CINELAKE_WAREHOUSE`,
    ])
  }
  if (/not a valid DuckDB database|version number|newer version|corrupt/i.test(reason))
    return duckDbErrors.WAREHOUSE_FILE_INVALID(file, reason)
  return new WarehouseUnavailableError(`duckdb:${file}`, reason)
}
