import { join } from 'node:path'
import type { EngineRow, SqlSession } from '@cinelake/engine'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import type { Lake } from '@cinelake/lake'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { fixedClock, temporaryDirectory, type FixedClock } from '@cinelake/testkit'
import type { CommitOptions, DeltaTable } from './delta-table.ts'
import { createDeltaTable } from './table.ts'

/** A lake, an engine and a clock to try tables with. */
export type Workbench = AsyncDisposable & {
  readonly directory: string
  readonly lake: Lake
  readonly session: SqlSession
  readonly clock: FixedClock
  /** Another session of the same engine. */
  newSession(): Promise<SqlSession>
  table(path?: string, lake?: Lake): DeltaTable
  /** The rows of a table as text, in order; undefined where there is no table. */
  rows(
    table: DeltaTable,
    options?: { version?: number; order?: string; columns?: string },
  ): Promise<EngineRow[] | undefined>
}

const inDirectory = async (directory: string): Promise<Lake> => await createDirectoryLake(join(directory, 'lake'))

/** @param openLake is given a directory of its own, removed in the end */
export async function openWorkbench({ memoryBytes = 400_000_000, openLake = inDirectory } = {}): Promise<Workbench> {
  await using stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await temporaryDirectory())
  const lake = stack.use(await openLake(directory))
  const engine = stack.use(
    await createDuckDbEngine({
      memoryBytes,
      threads: 2,
      scratchDirectory: join(directory, 'scratch'),
      directories: [directory],
    }),
  )
  const session = await engine.session()
  const clock = fixedClock(new Date().toISOString())
  const owned = stack.move()
  return {
    directory,
    lake,
    session,
    clock,
    newSession: async () => await engine.session(),
    table: (path = 'refined/titles', over = lake) => createDeltaTable({ lake: over, path, clock }),
    async rows(table, { version, order = 'ALL', columns = '*' } = {}) {
      await using view = await table.view(session, version === undefined ? {} : { version })
      return view === undefined
        ? undefined
        : await session.rows(`SELECT ${columns} FROM ${view.relation} ORDER BY ${order}`)
    },
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  }
}

let commits = 0

/** A commit of its own, unless a task is named. */
export function once(appId = `task-${(commits += 1)}`, version = 1): Pick<CommitOptions, 'txn'> {
  return { txn: { appId, version } }
}
