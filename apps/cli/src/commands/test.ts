import path from 'node:path'
import { type Build, CONTRACT_VERSION, type TableVersion, refinedPath } from '@cinelake/contracts'
import { ConfigError, PipelineError, runIdOf, silentLog, suggest } from '@cinelake/core'
import { type DeltaTable, createDeltaTable } from '@cinelake/delta'
import type { SqlEngine, SqlSession } from '@cinelake/engine'
import type { Lake } from '@cinelake/lake'
import { createDirectoryLake } from '@cinelake/lake/directory'
import {
  type CheckedPipeline,
  type TypedColumn,
  WINDOW_COLUMN,
  columnsOfTables,
  freezePipeline,
} from '@cinelake/pipeline'
import { identifier, identifiers, literal } from '@cinelake/sql'
import { createTransformerHandlers } from '@cinelake/transformer'
import { randomUUID } from 'node:crypto'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import type { CommandContext } from '../command.ts'
import {
  type Cell,
  type GivenRow,
  type ModelTest,
  TESTS_FOLDER,
  readModelTests,
} from '../model-tests/read-model-tests.ts'
import { openEngine } from '../open-parts.ts'
import { formatResult } from '../output/format-table.ts'
import { formatDuration, toJson } from '../output/format-value.ts'
import type { Terminal } from '../output/terminal.ts'
import { usablePipeline } from '../read-folder.ts'
import { platformConfig } from '../settings.ts'

export type Options = { readonly json?: true }

export async function test(
  folder: string,
  models: readonly string[],
  { json: asJson }: Options,
  { terminal, settings, signal, exitWith }: CommandContext,
): Promise<void> {
  const config = platformConfig(settings)
  const pipeline = await usablePipeline(folder, config)
  const tests = chosen(await readModelTests(folder, pipeline), models, pipeline, folder)
  // The engine reads and writes in this folder only: the lakes of the tests are in it.
  await using folderOfTests = await temporaryFolder()
  const scratchDirectory = path.join(folderOfTests.path, 'scratch')
  await using engine = await openEngine(
    { engine: { ...config.engine, scratchDirectory } },
    { localDirectories: [folderOfTests.path] },
  )
  const results: ModelTestResult[] = []
  for (const each of tests) {
    signal.throwIfAborted()
    const result = await runModelTest(each, { engine, pipeline, directory: folderOfTests.path, signal })
    results.push(result)
    if (asJson !== true) show(result, terminal)
  }
  const failed = results.filter(({ failures }) => failures.length > 0).length
  if (failed > 0) exitWith(1)
  if (asJson === true) return terminal.print(`${toJson({ ok: failed === 0, tests: results.map(asRecord) })}\n`)
  terminal.print(`${results.length - failed} passed, ${failed} failed\n`)
}

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const made = await realpath(await mkdtemp(path.join(tmpdir(), 'cinelake-test-')))
  return {
    path: made,
    [Symbol.asyncDispose]: async () => await rm(made, { recursive: true, force: true }),
  }
}

function chosen(
  tests: readonly ModelTest[],
  models: readonly string[],
  pipeline: CheckedPipeline,
  folder: string,
): readonly ModelTest[] {
  const known = pipeline.models.map(({ name }) => name)
  const unknown = models.filter((name) => !known.includes(name))
  if (unknown.length > 0) {
    const problems = unknown.map((name) => `there is no model ${name}: ${suggest(name, known)}`)
    throw new ConfigError('the tests cannot be chosen', problems)
  }
  const those = models.length === 0 ? tests : tests.filter(({ model }) => models.includes(model.name))
  if (those.length > 0) return those
  const where = path.join(folder, TESTS_FOLDER)
  const what = models.length === 0 ? 'a file NAME.yaml for a model NAME' : `tests of ${models.join(', ')}`
  throw new ConfigError('there are no tests', [`${where}: expected ${what}; docs/pipeline.md shows how one is written`])
}

function show({ test, durationMs, failures, difference }: ModelTestResult, { print, paint }: Terminal): void {
  const title = `${test.model.name}  ${test.name}`
  const took = paint('dim', formatDuration(durationMs))
  if (failures.length === 0) return print(`${paint('green', '✓')} ${title}  ${took}\n`)
  print(`${paint('red', '✗')} ${title}  ${took}\n    ${test.place}\n`)
  for (const failure of failures) print(`    ${failure.replaceAll('\n', '\n    ')}\n`)
  if (difference === undefined) return
  const { columns, missing, unexpected } = difference
  const table = (rows: typeof missing) => formatResult({ columns, rows }, { paint, indent: '      ' })
  if (missing.length > 0) print(`    expected, and not in the table:\n${table(missing)}`)
  if (unexpected.length > 0) print(`    in the table, and not expected:\n${table(unexpected)}`)
}

function asRecord({ test, durationMs, failures, difference }: ModelTestResult) {
  const { name, place, model } = test
  return { model: model.name, name, place, ok: failures.length === 0, durationMs, failures, ...difference }
}

export type Row = Readonly<Record<string, unknown>>

/** Rows that differ, of the columns that the test looks at. */
type RowDifference = {
  readonly columns: readonly string[]
  readonly missing: readonly Row[]
  readonly unexpected: readonly Row[]
}

type ModelTestResult = {
  readonly test: ModelTest
  readonly durationMs: number
  /** What does not hold, in words; empty for a test that passed. */
  readonly failures: readonly string[]
  readonly difference?: RowDifference
}

type Deps = {
  readonly engine: SqlEngine
  readonly pipeline: CheckedPipeline
  /** Where lakes are made; one that the engine reaches. */
  readonly directory: string
  readonly signal: AbortSignal
}

/** Time is an input of a build; a test has one that stands still. */
const CLOCK = () => new Date('2026-01-01T00:00:00Z')

/** Rows of a difference that are looked at: enough to see what is wrong. */
const MAX_ROWS = 20

/**
 * Builds the model over the given rows by the very code that a run builds it with - casts, rules, keys, balance and
 * materialization included - in a lake of its own, and compares what comes out with what the test expects.
 */
async function runModelTest(test: ModelTest, deps: Deps): Promise<ModelTestResult> {
  const startedAt = performance.now()
  const lakeDirectory = await mkdtemp(path.join(deps.directory, 'lake-'))
  try {
    await using lake = await createDirectoryLake(lakeDirectory)
    await using session = await deps.engine.session()
    const found = await inLake(test, { ...deps, lake, session })
    return { test, durationMs: performance.now() - startedAt, ...found }
  } finally {
    await rm(lakeDirectory, { recursive: true, force: true })
  }
}

type Work = Deps & { readonly lake: Lake; readonly session: SqlSession }
type Found = Pick<ModelTestResult, 'failures' | 'difference'>

async function inLake(test: ModelTest, work: Work): Promise<Found> {
  const { lake, session, engine, pipeline, signal } = work
  const { digest, path: frozen, text } = freezePipeline(pipeline)
  await lake.putIfAbsent(frozen, text)
  const columns = columnsOfTables(pipeline)
  const inputs: TableVersion[] = []
  for (const table of new Set([...test.model.inputs, ...test.given.keys()])) {
    const rows = test.given.get(table) ?? []
    const unfit = await unfitCells(rows, columns.get(table) ?? [], session)
    if (unfit.length > 0) return { failures: unfit.map((cell) => `given ${table}: ${cell}`) }
    const query = rowsQuery(rows, columns.get(table) ?? [], { [WINDOW_COLUMN.name]: test.window.start })
    const txn = { appId: 'given', version: 1 }
    const partitionBy = table === test.model.name ? test.model.partitionBy : []
    const { version } = await tableOf(work, table).overwrite(session, query, { txn, partitionBy, signal })
    inputs.push({ table, version })
  }
  const unfit = await unfitCells(test.expect ?? [], columns.get(test.model.name) ?? [], session)
  if (unfit.length > 0) return { failures: unfit.map((cell) => `expect: ${cell}`) }
  const { build } = createTransformerHandlers({ lake, engine, clock: CLOCK, log: silentLog })
  const command: Build = {
    kind: 'build',
    contract: CONTRACT_VERSION,
    id: randomUUID(),
    run: runIdOf(pipeline.name, test.window),
    task: `build ${test.model.name}`,
    generation: 1,
    attempt: 1,
    pipeline: { name: pipeline.name, digest },
    window: test.window,
    model: test.model.name,
    inputs: inputs.filter(({ table }) => test.model.inputs.includes(table)),
  }
  try {
    const { rejects } = (await build?.(command, { signal, progress: () => undefined })) ?? {}
    if (test.fails !== undefined) return { failures: [`expected the build to fail with ${test.fails}; it succeeded`] }
    return await compare(test, rejects ?? {}, columns.get(test.model.name) ?? [], work)
  } catch (error) {
    if (!(error instanceof PipelineError) || signal.aborted) throw error
    if (test.fails !== undefined && [error.code, error.context['rule']].includes(test.fails)) return { failures: [] }
    const expected = test.fails === undefined ? '' : `expected ${test.fails}, got ${error.code}: `
    return { failures: [`${expected}${error.message}`] }
  }
}

async function compare(
  test: ModelTest,
  rejects: Readonly<Record<string, number>>,
  columns: readonly TypedColumn[],
  work: Work,
): Promise<Found> {
  const { session, signal } = work
  const failures = rejectFailures(test.rejects, rejects)
  if (test.expect === undefined) return { failures }
  await using view = await tableOf(work, test.model.name).view(session, { signal })
  const named = new Set(test.expect.flatMap((row) => Object.keys(row)))
  const looked = columns.filter(({ name }) => named.size === 0 || named.has(name))
  const list = identifiers(looked.map(({ name }) => name))
  const actual = view === undefined ? rowsQuery([], looked) : `SELECT ${list} FROM ${view.relation} AS made`
  const expected = rowsQuery(test.expect, looked)
  const missing = await without(expected, actual, session)
  const unexpected = await without(actual, expected, session)
  if (missing.length === 0 && unexpected.length === 0) return { failures }
  const difference = { columns: looked.map(({ name }) => name), missing, unexpected }
  return { failures: [...failures, 'the table has other rows than expected'], difference }
}

function rejectFailures(
  expected: Readonly<Record<string, number>>,
  actual: Readonly<Record<string, number>>,
): string[] {
  const rules = [...new Set([...Object.keys(expected), ...Object.keys(actual)])].sort()
  return rules.flatMap((rule) => {
    const [wanted, got] = [expected[rule] ?? 0, actual[rule] ?? 0]
    return wanted === got ? [] : [`rejects: expected ${wanted} by ${rule}, got ${got}`]
  })
}

async function without(query: string, other: string, session: SqlSession): Promise<Row[]> {
  return await session.rows(`(${query}) EXCEPT ALL (${other}) ORDER BY ALL LIMIT ${MAX_ROWS}`)
}

/** The values that are not of their column's type, in words. */
async function unfitCells(
  rows: readonly GivenRow[],
  columns: readonly TypedColumn[],
  session: SqlSession,
): Promise<string[]> {
  const cells = rows.flatMap((row, index) =>
    columns.flatMap(({ name, type }) => {
      const cell = row[name] ?? null
      const what = `row ${index + 1}: column ${name} is ${type}, got ${JSON.stringify(cell)}`
      return cell === null ? [] : [{ what, isUnfit: `TRY_CAST(${sqlOf(cell)} AS ${type}) IS NULL` }]
    }),
  )
  if (cells.length === 0) return []
  const query = cells.map(({ what, isUnfit }) => `SELECT ${literal(what)} AS what WHERE ${isUnfit}`).join(' UNION ALL ')
  return (await session.rows<{ what: string }>(query)).map(({ what }) => what)
}

/** Rows as a query with all of the columns, cast to their types. A column that a row does not name is NULL. */
function rowsQuery(
  rows: readonly GivenRow[],
  columns: readonly TypedColumn[],
  defaults: Readonly<Record<string, string>> = {},
): string {
  const select = (row: GivenRow) =>
    columns
      .map(({ name, type }) => `CAST(${sqlOf(row[name] ?? defaults[name] ?? null)} AS ${type}) AS ${identifier(name)}`)
      .join(', ')
  if (rows.length === 0) return `SELECT ${select({})} WHERE false`
  return rows.map((row) => `SELECT ${select(row)}`).join(' UNION ALL ')
}

function sqlOf(cell: Cell): string {
  if (cell === null) return 'NULL'
  return typeof cell === 'string' ? literal(cell) : `[${cell.map(sqlOf).join(', ')}]`
}

function tableOf({ lake, pipeline }: Pick<Work, 'lake' | 'pipeline'>, name: string): DeltaTable {
  return createDeltaTable({ lake, path: refinedPath(pipeline.name, name), clock: CLOCK })
}
