import { identifier, identifiers } from '@cinelake/sql'
import type { AddFile } from '../log/actions.ts'
import { signalOf, type Change } from './commit.ts'
import type { DataFiles, TablePlace } from './data-files.ts'
import type { MergeOptions, ParquetSql } from '../delta-table.ts'
import { DeltaMergeError, DeltaSchemaError } from '../errors.ts'
import type { LogState } from '../log/state.ts'
import { mayHold, readBounds, type KeyBounds } from '../read/key-bounds.ts'
import { mergedRows, touchedFiles } from './merge-sql.ts'
import { readableShape } from '../log/protocol.ts'
import { createRewriter, openReshaped } from './rewrite.ts'
import type { DeltaField } from '../log/types.ts'
import { openFiles, type OpenFiles } from '../read/view.ts'
import { planAddedRows, writableShape, type TablePlan } from './plan.ts'
import { createWriter, type GivenRows } from './writes.ts'

const FILE_COLUMN = 'cinelake.file'

/** The new rows, with the table's types. */
type Source = { readonly relation: string; readonly key: readonly DeltaField[]; readonly bounds: readonly KeyBounds[] }

/** What a merge made of one set of files; stands for as long as these are the files that may hold its keys. */
type Rewrite = { readonly basis: string; readonly add: readonly AddFile[]; readonly remove: readonly AddFile[] }

/**
 * A merge by key. The query runs once, into a temporary table. Files that cannot hold its keys, by statistics and
 * partition values, are not read; of the others only the key is, and those that do hold one are rewritten.
 */
export class Merge implements AsyncDisposable {
  readonly #place: TablePlace
  readonly #session: ParquetSql
  readonly #rows: GivenRows
  readonly #options: MergeOptions
  readonly #staged: string
  readonly #rewriteOthers: ReturnType<typeof createRewriter>
  #isStaged = false
  readonly #sources = new Map<string, Source>()
  #rewrite: Rewrite | undefined

  constructor(place: TablePlace, session: ParquetSql, rows: GivenRows, options: MergeOptions) {
    this.#place = place
    this.#session = session
    this.#rows = rows
    this.#options = options
    this.#rewriteOthers = createRewriter(place, session, options)
    this.#staged = `temp.${identifier(`cinelake_merge_${place.random()}`)}`
  }

  async change(state: LogState | undefined, files: DataFiles): Promise<Change> {
    const { key } = this.#options
    const plan = planAddedRows(this.#place, state, this.#rows.columns, this.#options)
    const source = await this.#source(plan)
    // A file that is written again in any case need not be told from those that cannot hold a key.
    const candidates = [...(state?.files.values() ?? [])].filter(
      (add) => plan.reshape !== undefined || mayHold(add, source.key, source.bounds),
    )
    const basis = JSON.stringify([plan.columns, plan.partitionBy, candidates.map((add) => add.path).sort()])
    // Files that others committed or removed meanwhile matter only if they may hold a key.
    if (this.#rewrite?.basis !== basis)
      this.#rewrite = { basis, ...(await this.#merge(state, plan, source, candidates, files)) }
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
    if (this.#isStaged) await this.#session.run(`DROP TABLE IF EXISTS ${this.#staged}`).catch(() => undefined)
  }

  async #merge(
    state: LogState | undefined,
    plan: TablePlan,
    source: Source,
    candidates: readonly AddFile[],
    files: DataFiles,
  ): Promise<Pick<Rewrite, 'add' | 'remove'>> {
    const write = createWriter(this.#place, this.#session, this.#options)
    const { columns, partitionBy } = plan
    if (state === undefined || candidates.length === 0) {
      return {
        add: await write(files, { query: `FROM ${source.relation}`, columns: asTheyAre(plan), partitionBy }),
        remove: [],
      }
    }
    const touched = await this.#touched(state, plan, source, candidates)
    if (touched.length > 0) writableShape(this.#place, state, true)
    await using old = await this.#open(state, plan, { files: touched })
    const names = columns.fields.map((field) => field.name)
    const query = mergedRows({ ...this.#sides(source), old: old.relation, columns: names }, this.#options.resolve)
    const add = await write(files, { query, columns: asTheyAre(plan), partitionBy })
    const { reshape } = plan
    if (reshape === undefined) return { add, remove: touched }
    const others = candidates.filter((file) => !touched.includes(file))
    return {
      add: [...(await this.#rewriteOthers(state, { ...plan, reshape }, { files: others }, files)), ...add],
      remove: candidates,
    }
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

  async #touched(state: LogState, plan: TablePlan, source: Source, candidates: readonly AddFile[]): Promise<AddFile[]> {
    await using old = await this.#open(state, plan, { files: candidates, fileColumn: FILE_COLUMN })
    const sql = touchedFiles({ ...this.#sides(source), old: old.relation, columns: [] }, FILE_COLUMN)
    const rows = await this.#session.rows<{ file: string }>(sql, signalOf(this.#options))
    const touched = new Set(rows.map((row) => old.byLocalFile.get(row.file)))
    return candidates.filter((add) => touched.has(add))
  }

  #sides(source: Source) {
    const nullable = source.bounds.some((bound) => bound.hasNull)
    return { source: source.relation, key: this.#options.key, nullable }
  }

  async #source({ columns, partitionBy }: TablePlan): Promise<Source> {
    const before = this.#sources.get(columns.select)
    if (before !== undefined) return before
    const key = this.#keyFields(columns.fields)
    if (!this.#isStaged) await this.#stage()
    const relation = `(SELECT ${columns.select} FROM ${this.#staged})`
    await this.#checkUnique(relation)
    const source = {
      relation,
      key,
      bounds: await readBounds(this.#session, { relation, key, partitionBy }, this.#options),
    }
    this.#sources.set(columns.select, source)
    return source
  }

  async #stage(): Promise<void> {
    await this.#session.run(
      `CREATE TEMP TABLE ${this.#staged} AS FROM (${this.#rows.query}\n)`,
      signalOf(this.#options),
    )
    this.#isStaged = true
  }

  #keyFields(fields: readonly DeltaField[]): DeltaField[] {
    const { key } = this.#options
    const found = key.flatMap((name) => fields.find((field) => field.name === name) ?? [])
    if (found.length === key.length && key.length > 0) return found
    throw new DeltaSchemaError(this.#place.path, [`key: expected columns of the table, got (${key.join(', ')})`])
  }

  /** @throws {DeltaMergeError} */
  async #checkUnique(relation: string): Promise<void> {
    const { key } = this.#options
    const sql = `SELECT count(*) AS n FROM (SELECT 1 FROM ${relation} GROUP BY ${identifiers(key)} HAVING count(*) > 1)`
    const [row] = await this.#session.rows<{ n: number }>(sql, signalOf(this.#options))
    if (row !== undefined && row.n > 0) throw new DeltaMergeError(this.#place.path, key, row.n)
  }
}

/** The rows are in the table's types already. */
function asTheyAre({ columns }: TablePlan): TablePlan['columns'] {
  return { fields: columns.fields, select: identifiers(columns.fields.map((field) => field.name)) }
}
