import path from 'node:path'
import { CancelledError, ConfigError } from '@cinelake/core'
import type { DeltaTable } from '@cinelake/delta'
import { complaintOf, objectionsToQuery, type SqlSession } from '@cinelake/engine'
import type { Lake } from '@cinelake/lake'
import { identifier } from '@cinelake/sql'
import type { QueryBatch, Warehouse } from '@cinelake/warehouse'
import type { CommandContext } from '../command.ts'
import {
  type IsMeant,
  type LakeTable,
  openLakeOfTables,
  refinedTable,
  refinedTables,
  refuseLost,
  rejectsTable,
  rejectsTables,
} from '../lake-tables.ts'
import { openEngine, openLakeIfThere, readWarehouse } from '../open-parts.ts'
import { SHOWN_ROWS } from '../options.ts'
import { formatResult, layoutOf } from '../output/format-table.ts'
import { toJson } from '../output/format-value.ts'
import { plural } from '../output/run-tables.ts'
import { ROW_FORMATS, type RowFormat, type RowSource, batchText, writeRows } from '../output/write-rows.ts'
import { type LakeName, isOfMissingTable, lakeProblem, martProblem, mentions } from '../query/query-problem.ts'
import { type PlatformConfig, platformConfig } from '../settings.ts'
import { describe } from './describe.ts'
import { tables } from './tables.ts'

export type Options = {
  readonly state?: string
  readonly limit?: number
  readonly timeout?: number
  readonly lake?: true
  readonly vertical?: true
  readonly csv?: true
  readonly parquet?: true
  readonly xlsx?: true
  readonly output?: string
  readonly force?: true
  readonly guardFormulas?: true
  readonly json?: true
}

export async function query(sql: string, options: Options, context: CommandContext): Promise<void> {
  const format = formatOf(options)
  if (options.lake !== true && format === undefined) {
    const [, table] = /^\s*DESC(?:RIBE)?\s+(?:TABLE\s+)?"?([^\s";]+)"?\s*;?\s*$/i.exec(sql) ?? []
    if (table !== undefined) return await describe(table, options, context)
    if (/^\s*SHOW\s+TABLES\s*;?\s*$/i.test(sql)) return await tables(options, context)
  }
  const config = platformConfig(context.settings, options.state)
  const timeoutMs = options.timeout === undefined ? config.queryTimeoutMs : options.timeout * 1000
  const asked: Asked = { sql, options, context, config, timeoutMs, format }
  await (options.lake === true ? queryLake(asked) : queryMart(asked))
}

type Asked = {
  readonly sql: string
  readonly options: Options
  readonly context: CommandContext
  readonly config: PlatformConfig
  readonly timeoutMs: number
  /** Undefined: rows are shown. */
  readonly format: RowFormat | undefined
}

/** @throws {ConfigError} terminal: options that contradict one another */
function formatOf(options: Options): RowFormat | undefined {
  const chosen = (['csv', 'parquet', 'xlsx'] as const).filter((format) => options[format] === true)
  const { output } = options
  const problems: string[] = []
  if (chosen.length > 1)
    problems.push(`expected one format, got ${chosen.map((format) => `--${format}`).join(' and ')}`)
  let [format]: (RowFormat | undefined)[] = chosen
  if (output === undefined) {
    if (format === 'parquet' || format === 'xlsx') problems.push(`expected --output FILE with --${format}, got none`)
    if (options.force === true) problems.push('expected --output FILE with --force, got none')
  } else {
    const ending = path.extname(output).slice(1).toLowerCase()
    format ??= ROW_FORMATS.find((known) => known === ending)
    if (format === undefined) {
      problems.push(
        `expected a file that ends in .csv, .parquet, .xlsx or .jsonl, or one of --csv, --parquet, --xlsx, got ${output}`,
      )
    }
  }
  if (options.guardFormulas === true && format !== 'csv') problems.push('expected --guard-formulas with CSV')
  if (problems.length > 0) throw new ConfigError('the rows cannot be written like this', problems)
  return format
}

async function queryMart(asked: Asked): Promise<void> {
  const { sql, options, config, timeoutMs, format, context } = asked
  const { signal } = context
  const explained = async <Result>(warehouse: Warehouse, work: () => Promise<Result>): Promise<Result> => {
    try {
      return await work()
    } catch (error) {
      throw await martProblem(error, sql, { warehouse, openLake: async () => await openLakeIfThere(config) })
    }
  }
  if (format === undefined) {
    const limit = options.limit ?? SHOWN_ROWS
    const result = await readWarehouse(
      config,
      async (warehouse) =>
        await explained(warehouse, async () => await warehouse.query(sql, { limit, signal, timeoutMs })),
    )
    return show(result, options, context)
  }
  let hasBegun = false
  await readWarehouse(
    config,
    async (warehouse) => {
      const source: RowSource = async (take) =>
        await warehouse.readAll(
          sql,
          async (batch) => {
            hasBegun = true
            await take(batch)
          },
          { signal, timeoutMs },
        )
      await explained(warehouse, async () => await writeAll(source, format, asked))
    },
    () => !hasBegun,
  )
}

/**
 * A query of the lake may do what one of the mart may: compute over tables. Some functions read or change more than their
 * arguments. A text that is no query is refused by the engine, which says where.
 * @throws {ConfigError} terminal
 */
async function refuseForeign(session: Pick<SqlSession, 'parse'>, sql: string): Promise<void> {
  const [tree] = await session.parse([sql])
  const [objection] = complaintOf(tree) === undefined ? objectionsToQuery(tree, new Set()) : []
  if (objection === undefined) return
  throw new ConfigError('the query is refused', [`${objection.message}; ${objection.remedy}`])
}

async function queryLake(asked: Asked): Promise<void> {
  const { sql, options, config, timeoutMs, format, context } = asked
  const isMeant = mentionedIn(sql)
  await using lake = await openLakeOfTables(config, isMeant)
  await using engine = await openEngine(config, lake)
  await using session = await engine.session()
  await using views = await openLakeViews(lake, session, sql)
  const timeout = AbortSignal.timeout(timeoutMs)
  const signal = AbortSignal.any([context.signal, timeout])
  try {
    await refuseForeign(session, sql)
    const columns = await session.describe(sql)
    const source: RowSource = async (take) => {
      await take({ columns, rows: [] })
      for await (const rows of session.stream(sql, { signal })) {
        await take({ columns, rows: rows.map((row) => columns.map(({ name }) => row[name] ?? null)) })
      }
    }
    if (format !== undefined) return await writeAll(source, format, asked)
    const limit = options.limit ?? SHOWN_ROWS
    const rows: Record<string, unknown>[] = []
    for await (const batch of session.stream(sql, { signal })) {
      rows.push(...batch.slice(0, limit + 1 - rows.length))
      if (rows.length > limit) break
    }
    const result = {
      columns: columns.map(({ name }) => name),
      rows: rows.slice(0, limit),
      truncated: rows.length > limit,
    }
    show(result, options, context)
  } catch (error) {
    context.signal.throwIfAborted()
    if (timeout.aborted) {
      const problem = `expected an answer within ${timeoutMs / 1000} s, got none; ask for fewer rows or allow more with --timeout`
      throw new ConfigError('the query was stopped', [problem], { cause: error })
    }
    if (isOfMissingTable(error)) await refuseLost(config, lake, isMeant)
    throw lakeProblem(error, sql, views.names)
  }
}

type Result = {
  readonly columns: readonly string[]
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  readonly truncated: boolean
}

function show(result: Result, options: Options, { terminal }: CommandContext): void {
  if (options.json === true) return terminal.print(`${toJson(result)}\n`)
  const { rows, truncated } = result
  const more = truncated ? `; there are more, see --limit` : ''
  const vertical = options.vertical === true
  terminal.print(formatResult(result, { ...layoutOf(terminal), vertical, ...(vertical ? { maxWidth: Infinity } : {}) }))
  terminal.note(terminal.paint('dim', `(${plural(rows.length, 'row')}${more})`) + '\n')
}

/** The reader of the output has closed the pipe. */
class ReaderGone extends Error {}

async function writeAll(all: RowSource, format: RowFormat, { options, config, context }: Asked): Promise<void> {
  const { terminal, signal } = context
  const source = options.limit === undefined ? all : limited(all, options.limit)
  const guardFormulas = options.guardFormulas === true
  if (options.output !== undefined) {
    const rowCount = await writeRows(options.output, source, {
      format,
      force: options.force === true,
      guardFormulas,
      scratchDirectory: config.engine.scratchDirectory,
      openEngine: async () => await openEngine(config),
    })
    if (options.json === true) return terminal.print(`${toJson({ file: options.output, rowCount })}\n`)
    return terminal.note(`${options.output}: ${plural(rowCount, 'row')}\n`)
  }
  let isFirst = true
  try {
    await source(async (batch) => {
      if (signal.aborted) throw new CancelledError('the query')
      const text = batchText(batch, { format, guardFormulas, isFirst })
      isFirst = false
      const isHeard = terminal.printAll === undefined ? (terminal.print(text), true) : await terminal.printAll(text)
      if (!isHeard) throw new ReaderGone()
    })
  } catch (error) {
    if (!(error instanceof ReaderGone)) throw error
  }
}

/** Stops after the requested number of rows, which ends the query. */
function limited(all: RowSource, limit: number): RowSource {
  const enough = new ReaderGone()
  return async (take) => {
    let left = limit
    try {
      await all(async ({ columns, rows }: QueryBatch) => {
        await take({ columns, rows: rows.slice(0, left) })
        left -= Math.min(left, rows.length)
        if (left === 0) throw enough
      })
    } catch (error) {
      if (error !== enough) throw error
    }
  }
}

/** The schema of rejects in queries: `_rejects.orders`. */
const REJECTS = '_rejects'

/** The tables that a query may refer to. */
function mentionedIn(sql: string): IsMeant {
  return ({ table, isRejects }) =>
    isRejects ? mentions(sql, REJECTS) && mentions(sql, table) : mentions(sql, table) || versionsOf(sql, table).size > 0
}

type LakeViews = AsyncDisposable & { readonly names: readonly LakeName[] }

/**
 * Creates views for the refined tables and the rejects of a lake that a query mentions: of the latest version, or that
 * of `"NAME@VERSION"`. A name that several pipelines have needs its pipeline: `PIPELINE.NAME`,
 * `_rejects."PIPELINE.NAME"`. Files stay in place until it is disposed.
 */
async function openLakeViews(lake: Lake, session: SqlSession, sql: string): Promise<LakeViews> {
  await using opening = new AsyncDisposableStack()
  const refined = await refinedTables(lake)
  const rejected = await rejectsTables(lake)
  const show = async (table: DeltaTable, as: string, version?: number) => {
    const view = await table.view(session, version === undefined ? {} : { version })
    if (view === undefined) return
    opening.use(view)
    await session.run(`CREATE OR REPLACE VIEW ${as} AS SELECT * FROM ${view.relation}`)
  }
  for (const each of refined) {
    const { pipeline, table } = each
    const versions = [...versionsOf(sql, table), ...(mentions(sql, table) ? [undefined] : [])]
    if (versions.length === 0) continue
    const isWithPipeline = mentions(sql, pipeline)
    if (isWithPipeline) await session.run(`CREATE SCHEMA IF NOT EXISTS ${identifier(pipeline)}`)
    for (const version of versions) {
      const name = identifier(version === undefined ? table : `${table}@${version}`)
      if (isWithPipeline) await show(await refinedTable(lake, each), `${identifier(pipeline)}.${name}`, version)
      if (!isShared(each, refined)) await show(await refinedTable(lake, each), `main.${name}`, version)
    }
  }
  await session.run(`CREATE SCHEMA ${REJECTS}`)
  for (const each of rejected) {
    const { pipeline, table } = each
    if (!mentions(sql, table)) continue
    const name = isShared(each, rejected) ? `${pipeline}.${table}` : table
    await show(await rejectsTable(lake, each), `${REJECTS}.${identifier(name)}`)
  }
  const owned = opening.move()
  return {
    names: [
      ...refined.map((each) => lakeNameOf(each, refined, false)),
      ...rejected.map((each) => lakeNameOf(each, rejected, true)),
    ],
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  }
}

/** Names are compared case-insensitively, as the engine does. */
function isShared({ pipeline, table }: LakeTable, tables: readonly LakeTable[]): boolean {
  return tables.some((other) => other.pipeline !== pipeline && other.table.toLowerCase() === table.toLowerCase())
}

function lakeNameOf(each: LakeTable, tables: readonly LakeTable[], isOfRejects: boolean): LakeName {
  const { pipeline, table } = each
  const shared = isShared(each, tables)
  const written = isOfRejects
    ? `${REJECTS}.${asWritten(shared ? `${pipeline}.${table}` : table)}`
    : `${shared ? `${asWritten(pipeline)}.` : ''}${asWritten(table)}`
  return { written, table, isShared: shared, isOfRejects }
}

function asWritten(name: string): string {
  return /^[a-z_]\w*$/i.test(name) ? name : identifier(name)
}

/** The versions of a table that a query names. */
function versionsOf(sql: string, name: string): Set<number> {
  const versions = new Set<number>()
  for (const [, table, version] of sql.matchAll(/"([^"@]+)@(\d{1,15})"/g)) {
    if (table?.toLowerCase() === name.toLowerCase()) versions.add(Number(version))
  }
  return versions
}
