import path from 'node:path'
import { landedFolder } from '@cinelake/contracts'
import { type Window, isNumber, parseWindow, systemClock } from '@cinelake/core'
import type { DeltaSnapshot, DeltaTable } from '@cinelake/delta'
import type { SqlEngine, SqlSession } from '@cinelake/engine'
import { type Lake, openScratchSpace } from '@cinelake/lake'
import {
  type CheckedPipeline,
  type Measure,
  type TableEffect,
  type WantedTable,
  tableOfDataset,
  tableOfModel,
} from '@cinelake/pipeline'
import type { Settings } from '@cinelake/service'
import { identifier, literal } from '@cinelake/sql'
import { tmpdir } from 'node:os'
import { type Built, type BuiltTwice, buildTwice } from './build-twice.ts'
import { isAtHand } from '../changed-tables.ts'
import { refinedTable, rejectsTable } from '../lake-tables.ts'
import { openEngine, openLake } from '../open-parts.ts'
import type { PlatformConfig } from '../settings.ts'

/** Which rows of the existing tables another text changes. */
export type RowComparison = {
  /** The windows that were made under both texts. */
  readonly windows: readonly string[]
  /** How many windows have landed. */
  readonly landed: number
  readonly tables: readonly TableRows[]
  /** Why no rows were compared. */
  readonly note?: string
}

/** One table affected by a change. */
export type TableRows = {
  readonly table: string
  /** Number of rows; null where the text has no such table, or it could not be made. */
  readonly before: number | null
  readonly after: number | null
  /** Absent where there is no table to compare with. */
  readonly changes?: RowChanges
  /** Columns that identify a row; empty where rows are compared as a whole. */
  readonly key: readonly string[]
  /** Rows of the windows that were rejected, by rule. */
  readonly rejected: {
    readonly before: Readonly<Record<string, number>>
    readonly after: Readonly<Record<string, number>>
  }
  readonly measures: readonly MeasureChange[]
  /** Notes on the comparison. */
  readonly notes: readonly string[]
}

export type MeasureChange = Measure & { readonly before: string | null; readonly after: string | null }

type RowsAsked = {
  readonly before: CheckedPipeline | undefined
  readonly after: CheckedPipeline
  readonly effects: readonly TableEffect[]
  readonly measures: readonly Measure[]
  /** The requested windows; undefined: the last one that has landed. */
  readonly windows: readonly Window[] | undefined
  /** The window for a pipeline without datasets, which has no landings. */
  readonly lastWindow: Window | undefined
}

type Deps = { readonly config: PlatformConfig; readonly settings: Settings; readonly signal: AbortSignal }

/**
 * Makes the tables affected by a change under both texts, in shallow clones of the lake, and compares their rows.
 * Writes only below the scratch directory.
 */
export async function compareRows(asked: RowsAsked, { config, settings, signal }: Deps): Promise<RowComparison> {
  const nothing = (note: string): RowComparison => ({ windows: [], landed: 0, tables: [], note })
  const tables = reachedTables(asked.effects)
  if (tables.size === 0) return { windows: [], landed: 0, tables: [] }
  if (!isAtHand(config, settings)) return nothing(`no run has made tables yet [lake=${config.lake.url}]`)
  await using lake = await openLake(config)
  const landed = await landedWindows(asked.after, lake, signal)
  const windows = windowsToMake(asked, landed)
  if (windows.length === 0) {
    const which = asked.windows === undefined ? 'nothing has landed yet' : 'nothing has landed in these windows'
    return nothing(`${which} [lake=${lake.location}]`)
  }
  const base = settings['CINELAKE_SCRATCH'] ?? path.join(tmpdir(), 'cinelake')
  await using scratch = await openScratchSpace(path.join(base, 'against'))
  await using space = await scratch.directory()
  const limits = { ...config.engine, scratchDirectory: path.join(space.directory, 'spill') }
  const localDirectories = [space.directory, ...lake.localDirectories]
  await using engine = await openEngine({ engine: limits }, { localDirectories })
  const isLast = ({ start }: Window) => start >= (landed.at(-1)?.start ?? '')
  const deps = { lake, engine, directory: space.directory, limits: config.unpacking, clock: systemClock, signal }
  await using built = await buildTwice(asked, { windows, isLast, tables }, deps)
  const compared: TableRows[] = []
  for (const { table } of asked.effects) {
    if (tables.has(table)) compared.push(await rowsOf(table, { asked, built, windows, lake, engine, signal }))
  }
  return { windows: windows.map(({ label }) => label), landed: landed.length, tables: compared }
}

/** Tables that a change concerns, and all their dependents. */
function reachedTables(effects: readonly TableEffect[]): Set<string> {
  const changed = effects.filter(({ state }) => state !== 'unchanged')
  return new Set(changed.flatMap(({ table, models }) => [table, ...models]))
}

/** Windows without landed data have nothing to make. */
function windowsToMake({ after, windows, lastWindow }: RowsAsked, landed: readonly Window[]): readonly Window[] {
  if (after.datasets.length === 0) return windows ?? (lastWindow === undefined ? [] : [lastWindow])
  const labels = new Set(landed.map(({ label }) => label))
  return windows?.filter(({ label }) => labels.has(label)) ?? landed.slice(-1)
}

/** The windows with landed data, oldest first. */
async function landedWindows({ name, schedule }: CheckedPipeline, lake: Lake, signal: AbortSignal): Promise<Window[]> {
  const folder = path.posix.dirname(landedFolder(name, WINDOW))
  const labels = new Set<string>()
  for await (const { path: each } of lake.list(folder, { signal })) {
    labels.add(each.slice(folder.length + 1).split('/')[0] ?? '')
  }
  const windows = [...labels].flatMap((label) => parseWindow(schedule, label) ?? [])
  return windows.toSorted((one, other) => (one.start < other.start ? -1 : 1))
}

/** Placeholder for any window in a path. */
const WINDOW = 'window'

type Comparing = {
  readonly asked: RowsAsked
  readonly built: BuiltTwice
  readonly windows: readonly Window[]
  readonly lake: Lake
  readonly engine: SqlEngine
  readonly signal: AbortSignal
}

async function rowsOf(table: string, given: Comparing): Promise<TableRows> {
  const { asked, built, engine, signal } = given
  await using session = await engine.session()
  const wanted = { before: wantedTable(asked.before, table), after: wantedTable(asked.after, table) }
  const before = await sideOf(built.before, wanted.before, signal)
  const after = await sideOf(built.after, wanted.after, signal)
  const { columns, key } = comparable(wanted, before, after)
  const masked = new Set([...personalKey(asked.before, table), ...personalKey(asked.after, table)])
  const hidden = new Set(
    columns.flatMap(({ name, before: was }) => (masked.has(name) || masked.has(was.name) ? [name] : [])),
  )
  const changes =
    before === undefined || after === undefined
      ? undefined
      : await compareTable(before, after, { columns, key, masked: hidden, session, signal })
  return {
    table,
    before: before?.snapshot.rowCount ?? null,
    after: after?.snapshot.rowCount ?? null,
    ...(changes && { changes }),
    key,
    rejected: {
      before: await rejectsOf(built.before, wanted.before, { ...given, session }),
      after: await rejectsOf(built.after, wanted.after, { ...given, session }),
    },
    measures: await measuresIn(table, { before, after, columns }, { ...given, session }),
    notes: notesOf(table, given, wanted),
  }
}

function wantedTable(pipeline: CheckedPipeline | undefined, table: string): WantedTable | undefined {
  const dataset = pipeline?.datasets.find(({ name }) => name === table)
  if (dataset !== undefined) return tableOfDataset(dataset)
  const model = pipeline?.models.find(({ name }) => name === table)
  return model === undefined ? undefined : tableOfModel(model)
}

/** A table as it was made under a text. */
async function sideOf(
  built: Built | undefined,
  wanted: WantedTable | undefined,
  signal: AbortSignal,
): Promise<TableSide | undefined> {
  if (built === undefined || wanted === undefined || built.failures.has(wanted.name)) return undefined
  const table = await refinedTable(built.lake, { pipeline: built.pipeline.name, table: wanted.name })
  const snapshot = await table.snapshot({ signal })
  return snapshot === undefined ? undefined : { table, snapshot }
}

type Wanted = { readonly before: WantedTable | undefined; readonly after: WantedTable | undefined }

/** The columns that both tables have, and the key where it is the same in both. */
function comparable(
  wanted: Wanted,
  before: TableSide | undefined,
  after: TableSide | undefined,
): { readonly columns: readonly ColumnPair[]; readonly key: readonly string[] } {
  if (before === undefined || after === undefined)
    return { columns: [], key: wanted.after?.key ?? wanted.before?.key ?? [] }
  const old = before.snapshot.columns
  const columns = (wanted.after?.columns ?? []).flatMap(({ name, renamedFrom = [] }): ColumnPair[] => {
    const now = after.snapshot.columns.find((column) => column.name === name)
    const was = [name, ...renamedFrom].flatMap((each) => old.find((column) => column.name === each) ?? [])[0]
    return now === undefined || was === undefined ? [] : [{ name, type: now.type, before: was }]
  })
  const formerName = (name: string) => columns.find((column) => column.name === name)?.before.name
  const key = wanted.after?.key ?? []
  const isSame = JSON.stringify(key.map(formerName)) === JSON.stringify(wanted.before?.key)
  return { columns, key: isSame ? key : [] }
}

/** Columns of a key that may be personal data: for a model all, unless it is known that none is. */
function personalKey(pipeline: CheckedPipeline | undefined, table: string): string[] {
  const model = pipeline?.models.find(({ name }) => name === table)
  if (model !== undefined) return model.keyMayBeShown === true ? [] : [...model.key]
  const { contract } = pipeline?.datasets.find(({ name }) => name === table) ?? {}
  return (contract?.columns ?? []).filter(({ personal }) => personal !== undefined).map(({ name }) => name)
}

type WithSession = Comparing & { readonly session: SqlSession }

async function rejectsOf(
  built: Built | undefined,
  wanted: WantedTable | undefined,
  { windows, session, signal }: WithSession,
): Promise<Record<string, number>> {
  if (built === undefined || wanted === undefined) return {}
  const table = await rejectsTable(built.lake, { pipeline: built.pipeline.name, table: wanted.name })
  const labels = new Set(windows.map(({ label }) => label))
  const keep = (file: { readonly partitionValues: Readonly<Record<string, string | null>> }) =>
    labels.has(file.partitionValues['window_label'] ?? '')
  await using view = await table.view(session, { keep, signal })
  if (view === undefined) return {}
  const list = [...labels].map(literal).join(', ')
  // Tables of earlier releases have no such column: all rows that they kept were rejected.
  const hasKept = (await session.describe(`FROM ${view.relation}`)).some(({ name }) => name === 'kept')
  const isRejected = hasKept ? 'NOT coalesce(kept, false)' : 'true'
  const rows = await session.rows<{ rule: string; count: number }>(
    `SELECT rule, count(*) AS count FROM ${view.relation} AS t WHERE window_label IN (${list}) AND ${isRejected} GROUP BY 1 ORDER BY 2 DESC, 1`,
    { signal },
  )
  return Object.fromEntries(rows.map(({ rule, count }) => [rule, count]))
}

type Sides = {
  readonly before: TableSide | undefined
  readonly after: TableSide | undefined
  readonly columns: readonly ColumnPair[]
}

async function measuresIn(
  table: string,
  { before, after, columns }: Sides,
  given: WithSession,
): Promise<MeasureChange[]> {
  const measures = given.asked.measures.filter((measure) => measure.table === table)
  const formerName = (name: string) => columns.find((column) => column.name === name)?.before.name ?? name
  const totals = async (side: TableSide | undefined, nameOf: (name: string) => string) => {
    const known = measures.map((measure) => ({ total: measure.total, column: nameOf(measure.column) }))
    const there = known.filter(({ column }) => side?.snapshot.columns.some(({ name }) => name === column) === true)
    const values = side === undefined ? [] : await totalsOf(side, there, given)
    return known.map((measure) => values[there.indexOf(measure)] ?? null)
  }
  const [old, now] = [await totals(before, formerName), await totals(after, (name) => name)]
  return measures.map((measure, index) => ({ ...measure, before: old[index] ?? null, after: now[index] ?? null }))
}

function notesOf(table: string, { built, asked }: Comparing, wanted: Wanted): string[] {
  const { before, after, begun } = built
  const refusal = begun.get(table)
  const isFromBegun = asked.effects.some((effect) => begun.has(effect.table) && effect.models.includes(table))
  const isSuperseded = [before, after].some((side) => side?.superseded.has(table) === true)
  const isKeyless = wanted.after?.key.length === 0
  const hasOtherKey = wanted.before !== undefined && wanted.after !== undefined && isKeyChanged(asked.effects, table)
  return [
    ...failureNotes(before?.failures.get(table), after.failures.get(table)),
    ...(refusal === undefined
      ? []
      : [`only rows of these windows are compared, since the table that is there does not take them: ${refusal}`]),
    ...(isFromBegun && refusal === undefined ? ['made from rows of these windows alone'] : []),
    ...(isSuperseded ? ['holds a later window, which these windows do not change'] : []),
    ...(hasOtherKey ? ['has another key: rows are compared as wholes'] : []),
    ...(isKeyless && !hasOtherKey ? ['has no key: rows are compared as wholes'] : []),
  ]
}

function failureNotes(before: string | undefined, after: string | undefined): string[] {
  if (before !== undefined && before === after) return [`cannot be made under either text: ${after}`]
  return [
    ...(after === undefined ? [] : [`cannot be made under this text: ${after}`]),
    ...(before === undefined ? [] : [`cannot be made under the text of before: ${before}`]),
  ]
}

function isKeyChanged(effects: readonly TableEffect[], table: string): boolean {
  const columns = effects.find((effect) => effect.table === table)?.columns ?? []
  return columns.some(({ kind }) => kind === 'keyChanged')
}

/** A table under one of the texts, in the version that was made under it. */
type TableSide = { readonly table: DeltaTable; readonly snapshot: DeltaSnapshot }

type TableComparing = {
  /** Columns by their names under both texts, including those of the key. */
  readonly columns: readonly ColumnPair[]
  /** Names after the change. Empty: rows are compared as a whole. */
  readonly key: readonly string[]
  /** Columns of the key that are personal data: none of their values is shown. */
  readonly masked: ReadonlySet<string>
  readonly session: SqlSession
  readonly signal: AbortSignal
}

type ColumnPair = {
  readonly name: string
  readonly type: string
  readonly before: { readonly name: string; readonly type: string }
}

/** How the rows of a table differ between two texts. */
type RowChanges = {
  readonly added: number
  readonly gone: number
  /** Rows of one key with another value in some column; none where rows are compared as a whole. */
  readonly changed: number
  /** The number of these per column in which the value differs. Only columns with such rows. */
  readonly columns: Readonly<Record<string, number>>
  /** The first keys of each kind, as `order_id=17`. */
  readonly examples: Readonly<Record<'added' | 'gone' | 'changed', readonly string[]>>
}

/** Keys shown of each kind. */
const EXAMPLES = 3

/** Characters shown of a key's value. */
const KEY_LENGTH = 80

/** Placeholder for a value of a personal column. */
const MASK = '***'

/** Relative difference below which two floating-point numbers are equal: sums of them depend on the order of rows. */
const FLOAT_NOISE = '1e-9'

/**
 * Compares the rows of two versions of a table by their key, in one query of the engine. Files that both versions share
 * have the same rows, and are not read.
 */
async function compareTable(before: TableSide, after: TableSide, given: TableComparing): Promise<RowChanges> {
  const { session, signal } = given
  const known = new Set(before.snapshot.files.map((file) => file.path))
  const shared = new Set(after.snapshot.files.flatMap((file) => (known.has(file.path) ? [file.path] : [])))
  const only = ({ table, snapshot }: TableSide) =>
    table.view(session, { version: snapshot.version, signal, keep: (file) => !shared.has(file.path) })
  await using old = await only(before)
  await using now = await only(after)
  if (old === undefined || now === undefined || given.columns.length === 0) return NOTHING
  const relations = { before: old.relation, after: now.relation }
  return given.key.length === 0 ? await compareWhole(relations, given) : await compareByKey(relations, given)
}

const NOTHING: RowChanges = {
  added: 0,
  gone: 0,
  changed: 0,
  columns: {},
  examples: { added: [], gone: [], changed: [] },
}

type Relations = { readonly before: string; readonly after: string }

async function compareByKey({ before, after }: Relations, given: TableComparing): Promise<RowChanges> {
  const { columns, key, session, signal } = given
  const keys = key.map((name) => columns.findIndex((column) => column.name === name))
  const values = columns.flatMap((column, index) => (key.includes(column.name) ? [] : [{ ...column, index }]))
  const differs = values.map((column) => differsSql(column, `b.c${column.index}`, `a.c${column.index}`))
  const isKind = {
    added: 'b.here IS NULL',
    gone: 'a.here IS NULL',
    changed: `b.here AND a.here AND (${['false', ...differs].join(' OR ')})`,
  }
  const example = `[${keys.map((index) => `CAST(coalesce(a.c${index}, b.c${index}) AS VARCHAR)`).join(', ')}]`
  const counts = Object.entries(isKind).flatMap(([kind, when]) => [
    `count(*) FILTER (WHERE ${when}) AS ${kind}`,
    `min(${example}, ${EXAMPLES}) FILTER (WHERE ${when}) AS ${kind}_examples`,
  ])
  const changes = differs.map((when, at) => `count(*) FILTER (WHERE b.here AND a.here AND ${when}) AS changed_${at}`)
  const same = keys.map((index) => `b.c${index} IS NOT DISTINCT FROM a.c${index}`).join(' AND ')
  const query = `WITH b AS (SELECT true AS here, ${valuesSql(columns, 'before')} FROM ${before} AS t),
      a AS (SELECT true AS here, ${valuesSql(columns, 'after')} FROM ${after} AS t)
    SELECT ${[...counts, ...changes].join(', ')} FROM b FULL JOIN a ON ${same}`
  const [row = {}] = await session.rows(query, { signal })
  const countOf = (name: string) => Number(row[name] ?? 0)
  const examplesOf = (kind: string) => shown((row[`${kind}_examples`] ?? []) as Keys, given)
  return {
    added: countOf('added'),
    gone: countOf('gone'),
    changed: countOf('changed'),
    columns: Object.fromEntries(
      values.flatMap(({ name }, at) => (countOf(`changed_${at}`) === 0 ? [] : [[name, countOf(`changed_${at}`)]])),
    ),
    examples: { added: examplesOf('added'), gone: examplesOf('gone'), changed: examplesOf('changed') },
  }
}

type Keys = readonly (readonly (string | null)[])[]

function shown(keys: Keys, { key, masked }: TableComparing): string[] {
  const valueOf = (name: string, value: string | null) =>
    masked.has(name) ? MASK : (value ?? 'NULL').replaceAll(/\p{Cc}/gu, '�').slice(0, KEY_LENGTH)
  const texts = keys.map((values) => key.map((name, at) => `${name}=${valueOf(name, values[at] ?? null)}`).join(' '))
  return [...new Set(texts)]
}

/** Values `c0`, `c1`, … of types that can be compared. */
function valuesSql(columns: readonly ColumnPair[], side: keyof Relations): string {
  const values = columns.map(({ name, type, before }, index) => {
    const value = identifier(side === 'before' ? before.name : name)
    const isComparable = type === before.type || (isNumber(type) && isNumber(before.type))
    return `${isComparable ? value : `CAST(${value} AS VARCHAR)`} AS c${index}`
  })
  return values.join(', ')
}

function differsSql({ type, before }: ColumnPair, old: string, now: string): string {
  const differs = `${old} IS DISTINCT FROM ${now}`
  if (![type, before.type].some(isFloat) || !isNumber(type) || !isNumber(before.type)) return differs
  const isNear = `abs(${old} - ${now}) <= ${FLOAT_NOISE} * greatest(abs(${old}), abs(${now}))`
  return `(${differs} AND NOT coalesce(${isNear}, false))`
}

const isFloat = (type: string) => type === 'DOUBLE' || type === 'FLOAT'

async function compareWhole(
  { before, after }: Relations,
  { columns, session, signal }: TableComparing,
): Promise<RowChanges> {
  const old = `SELECT ${valuesSql(columns, 'before')} FROM ${before} AS t`
  const now = `SELECT ${valuesSql(columns, 'after')} FROM ${after} AS t`
  const [row] = await session.rows<{ added: number; gone: number }>(
    `SELECT (SELECT count(*) FROM ((${now}) EXCEPT ALL (${old}))) AS added,
      (SELECT count(*) FROM ((${old}) EXCEPT ALL (${now}))) AS gone`,
    { signal },
  )
  return { ...NOTHING, added: row?.added ?? 0, gone: row?.gone ?? 0 }
}

/** The values of measures over all rows of a table, as texts in the order given; null where there is no value. */
async function totalsOf(
  { table, snapshot }: TableSide,
  measures: readonly (Pick<Measure, 'total'> & { readonly column: string })[],
  { session, signal }: Pick<TableComparing, 'session' | 'signal'>,
): Promise<(string | null)[]> {
  if (measures.length === 0) return []
  await using view = await table.view(session, { version: snapshot.version, signal })
  if (view === undefined) return measures.map(() => null)
  const typeOf = (name: string) => snapshot.columns.find((column) => column.name === name)?.type ?? 'DOUBLE'
  const list = measures.map(({ column, total }, index) => {
    const value = identifier(column)
    const isExact = total === 'sum' && !isFloat(typeOf(column))
    const result = isExact ? `sum(${value})` : `round(${total === 'sum' ? 'fsum' : 'favg'}(${value}), ${DECIMALS})`
    return `CAST(${result} AS VARCHAR) AS total_${index}`
  })
  const query = `SELECT ${list.join(', ')} FROM ${view.relation} AS t`
  const [row = {}] = await session.rows<Record<string, string | null>>(query, { signal })
  return measures.map((_, index) => row[`total_${index}`] ?? null)
}

/** Decimal places of sums and means of floating-point numbers, beyond which they depend on the order of rows. */
const DECIMALS = 6
