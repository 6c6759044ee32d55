import type { QualityResult } from '@cinelake/contracts'
import type { Clock } from '@cinelake/core'
import { createDeltaTable, type DeltaStage, type DeltaTable } from '@cinelake/delta'
import {
  REJECT_COLUMNS,
  type ModelResult,
  type ModelRunner,
  type PinnedTable,
  type RunnableModel,
  type SqlEngine,
  type SqlSession,
} from '@cinelake/engine'
import type { Lake } from '@cinelake/lake'
import { firstInnerJoin } from '@cinelake/pipeline'
import { identifier } from '@cinelake/sql'
import { checkModelSql, isOfSql, withFailingRows } from '../pipeline-sql.ts'
import { brokenRule, checkBuild, rowsBreaking } from './checks.ts'
import { buildErrors } from './errors.ts'
import { ASIDE, checkedQuery, failingRowsQuery, mayReject, rejectedQuery, warnedRowsQuery } from './sql.ts'

type Deps = { readonly lake: Lake; readonly engine: SqlEngine; readonly clock: Clock }

/**
 * Runs models in the process's own DuckDB. The result is computed once, into files in the layout of the table: memory
 * does not grow with it, and it is counted and checked as a whole. The files stay on this machine until they are
 * requested, so that a result that is already in the table is never uploaded.
 */
export function createDuckDbRunner({ lake, engine, clock }: Deps): ModelRunner {
  return {
    stagesInLake: false,
    async run({ model, inputs, table }, { signal }) {
      await using session = await engine.session()
      await checkModelSql(
        session,
        model,
        inputs.map(({ name }) => name),
      )
      await using _inputs = await openInputs(model, inputs, { lake, clock, session, signal })
      const staging = createDeltaTable({ lake, path: table.path, clock })
      try {
        return await compute({ model, table: staging, partitionBy: table.partitionBy, session, signal })
      } catch (error) {
        throw await withFailingRows(error, model.sql, session)
      }
    },
    async [Symbol.asyncDispose]() {
      // The engine belongs to the process.
    },
  }
}

type Reading = Omit<Deps, 'engine'> & { readonly session: SqlSession; readonly signal: AbortSignal }

/**
 * Registers the inputs in the session under their names. The files stay in place until the returned value is disposed.
 * @throws {TableLostError} terminal: the version does not exist @throws {TableReplacedError} terminal: it is of another
 * table
 */
async function openInputs(
  model: RunnableModel,
  inputs: readonly PinnedTable[],
  { lake, clock, session, signal }: Reading,
): Promise<AsyncDisposable> {
  await using opened = new AsyncDisposableStack()
  for (const { name, path, version, id } of inputs) {
    const view = await createDeltaTable({ lake, path, clock }).view(session, { version, id, signal })
    if (view === undefined) throw buildErrors.BUILD_INPUT_MISSING(model.name, name, version)
    opened.use(view)
    await session.run(`CREATE TEMP VIEW ${identifier(name)} AS SELECT * FROM ${view.relation} AS input`, { signal })
  }
  return opened.move()
}

type Work = {
  readonly model: RunnableModel
  readonly table: DeltaTable
  readonly partitionBy: readonly string[]
  readonly session: SqlSession
  readonly signal: AbortSignal
}

async function compute({ model, table, partitionBy, session, signal }: Work): Promise<ModelResult> {
  const hasReject = (await session.describe(model.sql)).some(({ name }) => name.toLowerCase() === '_reject')
  await using opening = new AsyncDisposableStack()
  const staged = opening.use(
    await table.stage(session, checkedQuery(model, model.sql, hasReject), {
      partitionBy,
      ...(mayReject(model, hasReject) && { aside: ASIDE }),
      signal,
    }),
  )
  const rowsIn = model.rowsIn === undefined ? undefined : await countRowsIn(model.rowsIn, session, signal)
  const joined = rowsIn === undefined ? await countJoined(model.sql, session, signal) : []
  const checks = await checkBuild(model, rowsIn, { session, staged, signal })
  const kept = rejectQueries(model, staged, checks.quality)
  const rejects = kept.length === 0 ? undefined : opening.use(await table.stage(session, asRejects(kept), { signal }))
  const owned = opening.move()
  return {
    rows: staged,
    rejects,
    ...checks,
    quality: [...checks.quality, ...joined],
    emptiedPartitions: staged.emptiedPartitions,
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  }
}

/** Queries for the rows that are kept as rejects, including those that make the result unusable. */
function rejectQueries(
  model: RunnableModel,
  { relation, aside, asideRowCount }: DeltaStage,
  quality: readonly QualityResult[],
): string[] {
  // Where a model rejects nothing, its rows have no column with the reason.
  const rejected = asideRowCount === 0 ? [] : [rejectedQuery(model, aside)]
  const broken = brokenRule(quality)
  if (broken !== undefined) {
    const by = rowsBreaking(model, broken.rule)
    return by === undefined ? rejected : [...rejected, failingRowsQuery(model, by, relation)]
  }
  const warned = new Set(quality.filter(({ failed }) => failed > 0).map(({ rule }) => rule))
  return [
    ...rejected,
    ...model.rowRules
      .filter(({ name, severity }) => severity === 'warn' && warned.has(name))
      .map((rule) => warnedRowsQuery(model, rule, relation)),
  ]
}

function asRejects(queries: readonly string[]): string {
  const columns = REJECT_COLUMNS.map(({ name, type }) => `CAST(${name} AS ${type}) AS ${name}`).join(', ')
  return `SELECT ${columns} FROM (${queries.map((query) => `(${query})`).join(' UNION ALL ')}) AS rejected`
}

/**
 * Rows that an inner join drops, where `rowsIn` does not say how many have to come out. A model may intend that: the
 * number is for information, and no row breaks a rule by it.
 */
async function countJoined(sql: string, session: SqlSession, signal: AbortSignal): Promise<QualityResult[]> {
  const join = firstInnerJoin(sql)
  if (join === undefined) return []
  try {
    const [found] = await session.rows<{ rows: number; joined: number }>(join.countQuery, { signal })
    if (found === undefined || found.rows === found.joined) return []
    const detail = `${found.joined} of ${found.rows} rows of ${join.left} have one of ${join.right}; the inner join leaves the others out`
    return [{ rule: 'rows_joined', severity: 'warn', checked: found.rows, failed: 0, detail }]
  } catch (error) {
    // The SELECT itself runs; the extracted part may not, and nothing depends on it.
    if (isOfSql(error)) return []
    throw error
  }
}

async function countRowsIn(query: string, session: SqlSession, signal: AbortSignal): Promise<number> {
  const [row = {}] = await session.rows(query, { signal })
  return Number(Object.values(row)[0] ?? 0)
}
