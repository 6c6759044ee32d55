import { ConfigError } from '@cinelake/core'
import { descriptionsOf, RECORDS, translated, warehouseOf, type DescribedRow, type LoadedRecord } from '../adapter.ts'
import type { Warehouse, WarehouseOptions } from '../warehouse.ts'
import { loadError } from './errors.ts'
import { changeTable, loaded, replaceTable } from './load.ts'
import { requireLoaderRights } from './loader-rights.ts'
import { SWAP_WAITS_MS } from './place.ts'
import { queryReadOnly, readAll } from './query.ts'
import { martSchemas } from './reader.ts'
import type { PostgresSessions } from './session.ts'
import * as postgres from './sql.ts'

/**
 * The warehouse in any PostgreSQL: rows are copied into a staging table, then one short step puts them in place.
 * @param swapWaitsMs as `SWAP_WAITS_MS`
 */
export async function warehouseIn(
  sessions: PostgresSessions,
  {
    swapWaitsMs = SWAP_WAITS_MS,
    isReadOnly = false,
  }: WarehouseOptions & { readonly swapWaitsMs?: readonly number[] } = {},
): Promise<Warehouse> {
  const { location, queries } = sessions
  const loading = { sessions, swapWaitsMs }
  const lookingUp = async <Result>(work: () => Promise<Result>) =>
    await translated((error) => loadError(error, { table: RECORDS, location }), work)
  if (!isReadOnly) await lookingUp(async () => await setUp(sessions))
  /** A read-only warehouse creates nothing. */
  const requireMart = async () => {
    if (!isReadOnly || (await lookingUp(async () => await hasMart(sessions)))) return
    throw new ConfigError('there is nothing to look into yet', [
      `${location}: expected a mart, got none: no table was loaded; run a pipeline that serves one`,
    ])
  }
  return warehouseOf({
    location,
    loadError,
    loaded: async (table) => await loaded(queries, table),
    replace: async (table, rows, options) => await replaceTable(loading, table, rows, options),
    applyChanges: async (table, changes, options) => await changeTable(loading, table, changes, options),
    async query(sql, options) {
      await requireMart()
      return await queryReadOnly(sessions, sql, options)
    },
    async readAll(sql, take, options) {
      await requireMart()
      await readAll(sessions, sql, take, options)
    },
    records: async () => ((await hasMart(sessions)) ? await queries.query<LoadedRecord>(postgres.LOADED_TABLES) : []),
    describe: async () =>
      (await hasMart(sessions))
        ? descriptionsOf(await queries.query<DescribedRow>(postgres.DESCRIBE, [await martSchemas(queries)]))
        : [],
  })
}

/** Services may start at once. Statements sent as one are one transaction. */
async function setUp(sessions: PostgresSessions): Promise<void> {
  const { queries } = sessions
  await requireLoaderRights(sessions)
  const [found] = await queries.query<{ ready: boolean }>(postgres.IS_SET_UP)
  if (found?.ready !== true) await queries.exec(`${postgres.LOCK_SET_UP}; ${postgres.SET_UP}`)
}

export async function hasMart({ queries }: Pick<PostgresSessions, 'queries'>): Promise<boolean> {
  const [found] = await queries.query<{ has: boolean }>(postgres.HAS_MART)
  return found?.has === true
}
