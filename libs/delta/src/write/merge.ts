import { identifier, identifiers } from '@cinelake/sql'
import type { MergeOptions, ParquetSql } from '../delta-table.ts'
import { DeltaSchemaError, deltaErrors } from '../errors.ts'
import type { AddFile, LogState } from '../log/actions.ts'
import { readableShape } from '../log/protocol.ts'
import { type DeltaField, engineTypeOf } from '../log/types.ts'
import { type KeyBounds, mayHold, readBounds } from '../read/key-bounds.ts'
import { type OpenFiles, openFiles } from '../read/view.ts'
import { type Change, signalOf } from './commit.ts'
import type { DataFiles, TablePlace } from './data-files.ts'
import { type TablePlan, planAddedRows, writableShape } from './plan.ts'
import { createRewriter, openReshaped } from './rewrite.ts'
import { type GivenRows, createWriteOnce, createWriter } from './writes.ts'

const FILE_COLUMN = 'cinelake.file'

/** Keys that the merge looks for, with the table's types: of the rows that come, with the rows; or of those that go. */
type Keys = { readonly relation: string; readonly key: readonly DeltaField[]; readonly bounds: readonly KeyBounds[] }
type Sought = { readonly source: Keys; readonly gone: Keys | undefined }

/** The result of a merge for one set of files; valid as long as these are the files that may hold its keys. */
type Rewrite = { readonly basis: string; readonly add: readonly AddFile[]; readonly remove: readonly AddFile[] }

/**
 * A merge by key. A query runs once, into a temporary table; staged rows are read where they are. Files that cannot
 * hold its keys, by statistics and partition values, are not read; of the others only the key is, and those that do
 * hold one are rewritten.
 */
export class Merge implements AsyncDisposable {
  readonly #place: TablePlace
  readonly #session: ParquetSql
  readonly #rows: GivenRows
  readonly #options: MergeOptions
  /** Temporary tables, by what they are of. */
  readonly #tables = new Map<string, string>()
  readonly #opened = new AsyncDisposableStack()
  readonly #rewriteOthers: ReturnType<typeof createRewriter>
  readonly #writeAsTheyAre: ReturnType<typeof createWriteOnce>
  readonly #sought = new Map<string, Sought>()
  #rewrite: Rewrite | undefined

  constructor(place: TablePlace, session: ParquetSql, rows: GivenRows, options: MergeOptions) {
    this.#place = place
    this.#session = session
    this.#rows = rows
    this.#options = options
    this.#rewriteOthers = createRewriter(place, session, options)
    this.#writeAsTheyAre = createWriteOnce(place, session, rows, options)
  }

  async change(state: LogState | undefined, files: DataFiles): Promise<Change> {
    const { key } = this.#options
    const plan = planAddedRows(this.#place, state, this.#rows.columns, this.#options)
    const sought = await this.#keys(plan)
    const { source, gone } = sought
    // A file that is written again in any case need not be told from those that cannot hold a key.
    const candidates = [...(state?.files.values() ?? [])].filter(
      (add) =>
        plan.reshape !== undefined ||
        mayHold(add, source.key, source.bounds) ||
        (gone !== undefined && mayHold(add, gone.key, gone.bounds)),
    )
    const basis = JSON.stringify([plan.columns, plan.partitionBy, candidates.map((add) => add.path).sort()])
    // Files that others committed or removed meanwhile matter only if they may hold a key.
    if (this.#rewrite?.basis !== basis)
      this.#rewrite = { basis, ...(await this.#merge(state, plan, sought, candidates, files)) }
    const parameters = { predicate: key.map((column) => `(t.${column} = s.${column})`).join(' AND ') }
    return {
      operation: 'MERGE',
      parameters,
      blind: false,
      ...plan.header,
      add: this.#rewrite.add,
      remove: this.#rewrite.remove,
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A session that is closing takes its temporary tables along.
    for (const table of this.#tables.values())
      await this.#session.run(`DROP TABLE IF EXISTS ${table}`).catch(() => undefined)
    await this.#opened.disposeAsync()
  }

  async #merge(
    state: LogState | undefined,
    plan: TablePlan,
    sought: Sought,
    candidates: readonly AddFile[],
    files: DataFiles,
  ): Promise<Pick<Rewrite, 'add' | 'remove'>> {
    const { reshape, columns, partitionBy } = plan
    const touched =
      state === undefined || candidates.length === 0 ? [] : await this.#touched(state, plan, sought, candidates)
    const write = createWriter(this.#place, this.#session, this.#options)
    if (state === undefined || (touched.length === 0 && reshape === undefined))
      return { add: await this.#addedRows(plan, sought.source, write, files), remove: [] }
    if (touched.length > 0) writableShape(this.#place, state, true)
    await using old = await this.#open(state, plan, { files: touched })
    const { source, gone } = sought
    const remaining = gone === undefined ? old.relation : remainingRows({ ...this.#sides(gone), old: old.relation })
    const names = columns.fields.map((field) => field.name)
    const query = mergedRows({ ...this.#sides(source), old: remaining, columns: names }, this.#options.resolve)
    const add = await write(files, { query, columns: asTheyAre(plan), partitionBy })
    if (reshape === undefined) return { add, remove: touched }
    const others = candidates.filter((file) => !touched.includes(file))
    return {
      add: [...(await this.#rewriteOthers(state, { ...plan, reshape }, { files: others }, files)), ...add],
      remove: candidates,
    }
  }

  /** Rows none of which meets one that is there: files that they are in already become the table's, once. */
  async #addedRows(
    plan: TablePlan,
    source: Keys,
    write: ReturnType<typeof createWriter>,
    files: DataFiles,
  ): Promise<readonly AddFile[]> {
    const { staged } = this.#rows
    if (staged !== undefined && !staged.isTaken) return await this.#writeAsTheyAre(files, plan)
    const { partitionBy } = plan
    return await write(files, { query: `FROM ${source.relation}`, columns: asTheyAre(plan), partitionBy })
  }

  /** Files with the columns of after the merge: older ones give null for those that they lack. */
  async #open(
    state: LogState,
    { columns, reshape }: TablePlan,
    wanted: { readonly files: readonly AddFile[]; readonly fileColumn?: string },
  ): Promise<OpenFiles> {
    if (reshape !== undefined) return await openReshaped(this.#place, state, reshape, wanted, this.#options)
    const shape = { ...readableShape(this.#place.path, state), fields: columns.fields }
    return await openFiles(this.#place, { state, shape, ...wanted }, signalOf(this.#options))
  }

  async #touched(
    state: LogState,
    plan: TablePlan,
    { source, gone }: Sought,
    candidates: readonly AddFile[],
  ): Promise<AddFile[]> {
    await using old = await this.#open(state, plan, { files: candidates, fileColumn: FILE_COLUMN })
    const touched = new Set<AddFile | undefined>()
    for (const keys of gone === undefined ? [source] : [source, gone]) {
      const sql = touchedFiles({ ...this.#sides(keys), old: old.relation }, FILE_COLUMN)
      const rows = await this.#session.rows<{ file: string }>(sql, signalOf(this.#options))
      for (const { file } of rows) touched.add(old.byLocalFile.get(file))
    }
    return candidates.filter((add) => touched.has(add))
  }

  #sides({ relation, bounds }: Keys) {
    const nullable = bounds.some((bound) => bound.hasNull)
    return { source: relation, key: this.#options.key, nullable }
  }

  /** The keys are read again where the files that hold the rows have moved into the lake. */
  async #keys({ columns, partitionBy }: TablePlan): Promise<Sought> {
    const isTaken = this.#rows.staged?.isTaken === true
    const id = JSON.stringify([columns.select, partitionBy, isTaken])
    const before = this.#sought.get(id)
    if (before !== undefined) return before
    const key = this.#keyFields(columns.fields)
    const read = async (relation: string): Promise<Keys> => {
      return { relation, key, bounds: await readBounds(this.#session, { relation, key, partitionBy }, this.#options) }
    }
    const source = `(SELECT ${columns.select} FROM ${await this.#given()})`
    await this.#checkUnique(source)
    const { deletions } = this.#options
    const sought = {
      source: await read(source),
      gone:
        deletions === undefined
          ? undefined
          : await read(`(SELECT ${asFields(key)} FROM ${await this.#tableOf('gone', deletions)})`),
    }
    this.#sought.set(id, sought)
    return sought
  }

  /** The rows as they were given, as something to read more than once. */
  async #given(): Promise<string> {
    const { staged } = this.#rows
    if (staged === undefined) return await this.#tableOf('merge', this.#rows.query)
    return this.#opened.use(await staged.open(signalOf(this.#options))).relation
  }

  async #tableOf(kind: string, query: string): Promise<string> {
    const known = this.#tables.get(kind)
    if (known !== undefined) return known
    const table = `temp.${identifier(`cinelake_${kind}_${this.#place.random()}`)}`
    await this.#session.run(`CREATE TEMP TABLE ${table} AS FROM (${query}\n)`, signalOf(this.#options))
    this.#tables.set(kind, table)
    return table
  }

  #keyFields(fields: readonly DeltaField[]): DeltaField[] {
    const { key } = this.#options
    const found = key.flatMap((name) => fields.find((field) => field.name === name) ?? [])
    if (found.length === key.length && key.length > 0) return found
    throw new DeltaSchemaError(this.#place.path, [`key: expected columns of the table, got (${key.join(', ')})`])
  }

  /** @throws {DELTA_MERGE_AMBIGUOUS} */
  async #checkUnique(relation: string): Promise<void> {
    const { key } = this.#options
    const sql = `SELECT count(*) AS n FROM (SELECT 1 FROM ${relation} GROUP BY ${identifiers(key)} HAVING count(*) > 1)`
    const [row] = await this.#session.rows<{ n: number }>(sql, signalOf(this.#options))
    if (row !== undefined && row.n > 0) throw deltaErrors.DELTA_MERGE_AMBIGUOUS(this.#place.path, key, row.n)
  }
}

function asFields(key: readonly DeltaField[]): string {
  return key
    .map(({ name, type }) => `CAST(${identifier(name)} AS ${engineTypeOf(type)}) AS ${identifier(name)}`)
    .join(', ')
}

/** The rows are in the table's types already. */
function asTheyAre({ columns }: TablePlan): TablePlan['columns'] {
  return { fields: columns.fields, select: identifiers(columns.fields.map((field) => field.name)) }
}

type Sides = {
  /** Relations: rows that are there, rows that come. */
  readonly old: string
  readonly source: string
  readonly columns: readonly string[]
  readonly key: readonly string[]
  /** Whether a key of the new rows holds a null. */
  readonly nullable: boolean
}

/** Marks a side's rows, since any of their columns may be null. */
const THERE = identifier('cinelake.there')

/** SQL: the rows of the rewritten files after a merge, and the rows that are new. */
function mergedRows(sides: Sides, resolve: MergeOptions['resolve']): string {
  return resolve === undefined ? replacedRows(sides) : resolvedRows(sides, resolve)
}

/** SQL: the files of the old rows, under `file`, that hold one of the keys. */
function touchedFiles({ old, source, ...sides }: Omit<Sides, 'columns'>, fileColumn: string): string {
  return `SELECT DISTINCT old.${identifier(fileColumn)} AS file FROM ${old} AS old SEMI JOIN ${source} AS new ON ${sameKey(sides)}`
}

/** SQL in place of a table name: the old rows that have none of the keys of `source`. */
function remainingRows({ old, source, ...sides }: Omit<Sides, 'columns'>): string {
  return `(SELECT old.* FROM ${old} AS old ANTI JOIN ${source} AS gone ON ${sameKey(sides, 'gone')})`
}

/** The usual merge needs no pairs: old rows without a new one, and all new ones. */
function replacedRows({ old, source, columns, ...sides }: Sides): string {
  const list = (side: string) => columns.map((column) => `${side}.${identifier(column)}`).join(', ')
  return `SELECT ${list('old')} FROM ${old} AS old ANTI JOIN ${source} AS new ON ${sameKey(sides)} UNION ALL SELECT ${list('new')} FROM ${source} AS new`
}

function resolvedRows(
  { old, source, columns, ...sides }: Sides,
  resolve: NonNullable<MergeOptions['resolve']>,
): string {
  const selected = columns.map((column) => {
    const [before, after] = [`old.${identifier(column)}`, `new.${identifier(column)}`]
    const both = resolve.columns?.[column] ?? after
    const met =
      resolve.when === undefined ? `(${both})` : `CASE WHEN (${resolve.when}) THEN (${both}) ELSE ${before} END`
    return `CASE WHEN new.${THERE} IS NULL THEN ${before} WHEN old.${THERE} IS NULL THEN ${after} ELSE ${met} END AS ${identifier(column)}`
  })
  const marked = (relation: string) => `(SELECT *, true AS ${THERE} FROM ${relation})`
  return `SELECT ${selected.join(', ')} FROM ${marked(old)} AS old FULL JOIN ${marked(source)} AS new ON ${sameKey(sides)}`
}

function sameKey({ key, nullable }: Pick<Sides, 'key' | 'nullable'>, side = 'new'): string {
  const equals = nullable ? 'IS NOT DISTINCT FROM' : '='
  return key.map((column) => `old.${identifier(column)} ${equals} ${side}.${identifier(column)}`).join(' AND ')
}
