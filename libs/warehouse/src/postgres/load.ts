import { identifier, identifiers } from '@cinelake/sql'
import { loadedTable, toJson } from '../adapter.ts'
import { nulCharacterError } from '../errors.ts'
import {
  alreadyLoaded,
  isBase,
  requireBase,
  requireCount,
  requireFree,
  stopWhenAborted,
  versionOf,
} from '../load-decision.ts'
import {
  type LoadOptions,
  type LoadOutcome,
  type LoadedTable,
  type TablePlace,
  type Warehouse,
  type WarehouseColumn,
  type WarehouseRow,
  type WarehouseRows,
  type WarehouseTable,
  type WarehouseValue,
  recordName,
  schemaOf,
  shapeOf,
} from '../warehouse.ts'
import type { StagedTable } from './place.ts'
import { grantNewSchema, grantNewTable } from './reader.ts'
import type { LoadSession, PostgresSessions, Queries } from './session.ts'
import * as place from './place.ts'
import * as postgres from './sql.ts'

export type Loading = { readonly sessions: PostgresSessions; readonly swapWaitsMs: readonly number[] }

export async function replaceTable(
  { sessions, swapWaitsMs }: Loading,
  table: WarehouseTable,
  rows: WarehouseRows,
  options: LoadOptions,
): Promise<LoadOutcome> {
  const { location, pieceCharacters } = sessions
  await addSchema(sessions, table)
  return await sessions.load(
    schemaOf(table),
    async (session) => {
      const before = await beginLoad(session, table, options)
      const done = alreadyLoaded(before, table, options)
      if (done !== undefined) return done
      const basedOn = options.basedOn ?? versionOf(before)
      requireBase(location, table, basedOn, before)
      const staged = await fillStaging(session, table, table.columns, rows, { ...options, pieceCharacters })
      requireCount(table, options.rowCount ?? staged.sent, staged.rowCount)
      await finishStaged(session, table, staged)
      stopWhenAborted(table, options)
      return await session.publish(async (transaction) => {
        const now = await beginPublish(transaction, table, options)
        const done = alreadyLoaded(now, table, options)
        if (done !== undefined) return done
        requireBase(location, table, basedOn, now)
        await record(transaction, table, options, staged.rowCount)
        const isSameShape = now?.shape === shapeOf(table)
        await place.placeStaged(transaction, { table, staged, isSameShape, location, swapWaitsMs })
        await grantNewTable(transaction, postgres.martTable(table))
        return { outcome: 'replaced', rowCount: staged.rowCount, sentRowCount: staged.sent }
      })
    },
    options.signal,
  )
}

export async function changeTable(
  { sessions }: Loading,
  table: WarehouseTable,
  changes: Parameters<Warehouse['applyChanges']>[1],
  options: LoadOptions,
): Promise<LoadOutcome | 'stale'> {
  const { pieceCharacters } = sessions
  const outcome = await sessions.load(
    schemaOf(table),
    async (session) => {
      const before = await beginLoad(session, table, options)
      const done = alreadyLoaded(before, table, options)
      if (done !== undefined) return done
      if (!isBase(before, table, changes.since, options) || table.primaryKey.length === 0) return 'stale'
      const key = table.columns.filter(({ name }) => table.primaryKey.includes(name))
      const deletes = await fillStaging(session, table, key, changes.deletes, { ...options, pieceCharacters })
      const upserts = await fillStaging(session, table, table.columns, changes.upserts, { ...options, pieceCharacters })
      await session.exec(place.addPrimaryKey(upserts, table.primaryKey))
      stopWhenAborted(table, options)
      return await session.publish(async (transaction): Promise<LoadOutcome | 'stale'> => {
        if (!isBase(await beginPublish(transaction, table, options), table, changes.since, options)) return 'stale'
        await transaction.exec('SAVEPOINT changes')
        await transaction.exec(place.deleteStaged(deletes, table))
        await transaction.exec(place.mergeStaged(upserts, table))
        const [counted] = await transaction.query<{ count: number }>(place.countRows(table))
        const rowCount = counted?.count ?? 0
        if (rowCount !== (options.rowCount ?? rowCount)) {
          await transaction.exec('ROLLBACK TO SAVEPOINT changes')
          return 'stale'
        }
        await transaction.exec(postgres.comments(postgres.martTable(table), table))
        await record(transaction, table, options, rowCount)
        return { outcome: 'changed', rowCount, sentRowCount: deletes.sent + upserts.sent }
      })
    },
    options.signal,
  )
  if (outcome !== 'stale' && outcome.outcome === 'changed') await sessions.tidy(postgres.martTable(table))
  return outcome
}

export async function loaded(queries: Queries, table: TablePlace): Promise<LoadedTable | undefined> {
  return (await look(queries, table)).now
}

type Found = Omit<LoadedTable, 'pipeline'> & { readonly exists: boolean; readonly task: string | null }

async function look(queries: Queries, table: TablePlace) {
  const [found] = await queries.query<Found>(postgres.LOADED, [postgres.martTable(table), recordName(table)])
  if (found === undefined || found.task === null) return { exists: found?.exists === true, now: undefined }
  const { exists, task, ...facts } = found
  return { exists, now: loadedTable({ ...facts, task }) }
}

/** Made before the load begins, whose transaction would keep other loads from it. */
async function addSchema({ queries }: PostgresSessions, table: WarehouseTable): Promise<void> {
  const schema = schemaOf(table)
  const [found] = await queries.query<{ ready: boolean }>(postgres.HAS_SCHEMA, [schema])
  if (found?.ready === true) return
  await queries.exec([postgres.LOCK_SET_UP, postgres.addSchema(schema), grantNewSchema(schema)].join(';\n'))
}

/** Of two loads of one version at once the second waits for the first, and then finds everything done. */
async function beginLoad(session: LoadSession, table: WarehouseTable, options: LoadOptions) {
  await session.query(postgres.LOCK, [`cinelake load ${recordName(table)}@${options.version}`])
  const found = await look(session, table)
  requireFree(table, options, found)
  return found.now
}

/** One load at a time decides how a table is changed. */
async function beginPublish(transaction: Queries, table: WarehouseTable, options: LoadOptions) {
  await transaction.query(postgres.LOCK, [`cinelake publish ${recordName(table)}`])
  const found = await look(transaction, table)
  requireFree(table, options, found)
  return found.now
}

/** All slow steps run before the table is visible. Statistics stay with it: its first readers get good plans. */
async function finishStaged(session: LoadSession, table: WarehouseTable, staged: place.StagedTable): Promise<void> {
  if (table.primaryKey.length > 0) await session.exec(place.addPrimaryKey(staged, table.primaryKey))
  await session.exec(`ANALYZE ${staged.sql}`)
  await session.exec(postgres.comments(staged.sql, table))
}

async function record(transaction: Queries, table: WarehouseTable, options: LoadOptions, rowCount: number) {
  const { version, task, tableId = null } = options
  const values = [recordName(table), version, shapeOf(table), task, rowCount, tableId]
  await transaction.query(postgres.RECORD_LOADED, values)
}

type FilledTable = StagedTable & {
  readonly sent: number
  /** Rows that the database took. */
  readonly rowCount: number
}

async function fillStaging(
  session: LoadSession,
  table: WarehouseTable,
  columns: readonly WarehouseColumn[],
  rows: WarehouseRows,
  options: LoadOptions & { readonly pieceCharacters: number },
): Promise<FilledTable> {
  const name = session.newStaging()
  const sql = `${session.stagingSchema}.${identifier(name)}`
  await session.exec(postgres.createTable(sql, table, columns))
  const toLines = createCopyWriter(table.name, columns)
  let sent = 0
  async function* pieces() {
    let pending = ''
    for await (const batch of rows) {
      stopWhenAborted(table, options)
      pending += toLines(batch)
      sent += batch.length
      if (pending.length < options.pieceCharacters) continue
      yield pending
      pending = ''
    }
    if (pending !== '') yield pending
  }
  const names = identifiers(columns.map((column) => column.name))
  const rowCount = await session.copy(sql, names, pieces())
  stopWhenAborted(table, options)
  return { schema: session.stagingSchema, name, sql, sent, rowCount }
}

/** Turns rows into the lines of PostgreSQL's `COPY … FROM` (text format). */
type CopyWriter = (rows: readonly WarehouseRow[]) => string

/** @throws {WarehouseRefusedError} from the writer: a text holds U+0000, which PostgreSQL cannot store */
function createCopyWriter(table: string, columns: readonly WarehouseColumn[]): CopyWriter {
  const fields = columns.map(({ name, type }) => ({
    name,
    form: postgres.postgresType(type)?.form ?? ('text' as const),
    isDated: /^(DATE|TIMESTAMP)/i.test(type) && !type.endsWith('[]'),
  }))
  return (rows) => {
    const lines = rows.map((row) =>
      fields
        .map(({ name, form, isDated }) => {
          const field = copyField(isDated ? dated(row[name]) : row[name], form)
          if (field.includes('\0')) throw nulCharacterError(table, name)
          return field
        })
        .join('\t'),
    )
    return lines.map((line) => `${line}\n`).join('')
  }
}

function copyField(value: WarehouseValue | undefined, form: postgres.PostgresType['form']): string {
  if (value === null || value === undefined) return '\\N'
  if (form === 'json') return escaped(toJson(value))
  if (typeof value === 'string') return escaped(value)
  if (typeof value === 'boolean') return value ? 't' : 'f'
  if (typeof value === 'number') return copyNumber(value)
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Uint8Array) return `\\\\x${Buffer.from(value).toString('hex')}`
  return escaped(toJson(value))
}

/** The engine's `0044-03-15 (BC) 10:00:00Z` as PostgreSQL reads it. */
function dated(value: WarehouseValue | undefined): WarehouseValue | undefined {
  if (typeof value !== 'string' || !value.includes(' (BC)')) return value
  return `${value.replace(' (BC)', '')} BC`
}

function copyNumber(value: number): string {
  if (Number.isFinite(value)) return Object.is(value, -0) ? '-0' : String(value)
  if (Number.isNaN(value)) return 'NaN'
  return value > 0 ? 'Infinity' : '-Infinity'
}

const SPECIAL = /[\\\n\r\t]/
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function escaped(text: string): string {
  return SPECIAL.test(text) ? text.replaceAll(/[\\\n\r\t]/g, (char) => ESCAPES[char] ?? char) : text
}
