import type { TaskContext } from '@cinelake/bus'
import type { Build } from '@cinelake/contracts'
import { silentLog, type Clock } from '@cinelake/core'
import { createDeltaTable } from '@cinelake/delta'
import type { ModelRunner } from '@cinelake/engine'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import type { Lake } from '@cinelake/lake'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { freezePipeline, type CheckedModel, type CheckedPipeline } from '@cinelake/pipeline'
import { aCommandHeader, fixedClock, temporaryDirectory } from '@cinelake/testkit'
import { createBuild } from './build-model.ts'

type Day = { readonly day: number; readonly orders: string; readonly generation?: number }

export type OpenRunner = (deps: { readonly lake: Lake; readonly clock: Clock }) => Promise<ModelRunner>
export type Place = Awaited<ReturnType<typeof given>>

export function orders(...rows: readonly (readonly [number, number | null])[]): string {
  const values = rows.map(([id, amount]) => `(${id}, ${amount ?? 'NULL'})`)
  const list = values.length === 0 ? '(NULL, NULL)' : values.join(', ')
  return `SELECT CAST(id AS INTEGER) AS id, CAST(amount AS INTEGER) AS amount FROM (VALUES ${list}) AS v(id, amount) WHERE id IS NOT NULL`
}

/** A lake with one model and its build. The runner is the engine's, or a simulated remote one. */
export async function given(
  model: CheckedModel,
  { memoryBytes = 256e6, openRunner }: { memoryBytes?: number; openRunner?: OpenRunner } = {},
) {
  const stack = new AsyncDisposableStack()
  const directory = stack.use(await temporaryDirectory())
  const disk = stack.use(await createDirectoryLake(`${directory.path}/lake`))
  const engine = stack.use(
    await createDuckDbEngine({
      memoryBytes,
      threads: 2,
      scratchDirectory: `${directory.path}/scratch`,
      directories: [directory.path],
    }),
  )
  const session = stack.use(await engine.session())
  const clock = fixedClock()
  const pipelineOf = (changed: CheckedModel): CheckedPipeline => ({
    format: 1,
    name: 'shop',
    schedule: { every: 'day', timeZone: 'UTC', start: '2026-03-01', delayMs: 0 },
    retry: { maxAttempts: 1, backoffMs: 0, maxBackoffMs: 0 },
    sources: [],
    datasets: [],
    models: [changed],
    serve: [],
  })
  let digest = ''
  const become = async (changed: CheckedModel): Promise<void> => {
    const frozen = freezePipeline(pipelineOf(changed))
    await disk.putIfAbsent(frozen.path, frozen.text)
    digest = frozen.digest
  }
  await become(model)
  let refusing: string | undefined
  const lake = refusingOnce(
    disk,
    () => refusing,
    () => (refusing = undefined),
  )
  const context: TaskContext = { signal: AbortSignal.timeout(60_000), progress() {} }
  const runner = openRunner === undefined ? undefined : stack.use(await openRunner({ lake, clock }))
  const build = createBuild({ lake, engine, clock, log: silentLog, ...(runner && { runner }) })
  const table = (name: string) => createDeltaTable({ lake: disk, path: `refined/shop/${name}`, clock })
  let last: Build | undefined

  const command = async ({ day, orders: query, generation = 1 }: Day): Promise<Build> => {
    const label = `2026-03-${String(day).padStart(2, '0')}`
    const next = `2026-03-${String(day + 1).padStart(2, '0')}`
    const inputs = []
    if (query !== 'none') {
      const txn = { appId: `orders ${day} ${generation}`, version: 1 }
      const { version, id } = await table('orders').overwrite(session, query, { txn })
      inputs.push({ table: 'orders', version, id })
    }
    const window = { start: `${label}T00:00:00Z`, end: `${next}T00:00:00Z`, label }
    const header = aCommandHeader({ run: `shop@${label}`, task: `build ${model.name}`, generation, window })
    return { ...header, pipeline: { name: 'shop', digest }, kind: 'build', model: model.name, inputs }
  }
  let written = 0
  const writeOther = async (path: string, query: string): Promise<void> => {
    written += 1
    const txn = { appId: `ott@2026-03-01/build rates ${written}`, version: 1 }
    await createDeltaTable({ lake: disk, path, clock }).overwrite(session, query, { txn })
  }
  const rows = async <Row>(name: string, columns: string, order: string): Promise<Row[]> => {
    await using view = await table(name).view(session)
    return view === undefined
      ? []
      : await session.rows<Row>(`SELECT ${columns} FROM ${view.relation} AS t ORDER BY ${order}`)
  }
  return {
    lake,
    engine,
    clock,
    directory: directory.path,
    command,
    /** Changes the text of the model. */
    become,
    /** Another pipeline's table. */
    writeOther,
    build: (given: Build) => build(given, context),
    async run(day: Day) {
      last = await command(day)
      return await build(last, context)
    },
    async redeliver() {
      if (last === undefined) throw new Error('nothing was delivered before')
      return await build(last, context)
    },
    /** The next commit to a table below a path fails as if the process had died before it. */
    failNextCommitOf(prefix: string) {
      refusing = prefix
    },
    exists: async (name: string) => (await table(name).snapshot()) !== undefined,
    async sales(columns = "id || ' ' || amount") {
      const order = model.materialization === 'history' ? 'id, valid_from' : 'ALL'
      return (await rows<{ line: unknown }>('sales', `${columns} AS line`, order)).map(({ line }) => String(line))
    },
    files: async () => (await table('sales').snapshot())?.files.map(({ path }) => path) ?? [],
    /** Data files below the table's folder that belong to no version of the table. */
    async strayFiles() {
      const known = new Set<string>()
      const latest = (await table('sales').snapshot())?.version ?? -1
      for (let version = 0; version <= latest; version += 1) {
        for (const { path } of (await table('sales').snapshot({ version }))?.files ?? []) known.add(path)
      }
      const found: string[] = []
      for await (const { path } of disk.list('refined/shop/sales')) {
        const name = path.slice('refined/shop/sales/'.length)
        if (!name.startsWith('_') && !known.has(name)) found.push(name)
      }
      return found
    },
    rejects: () => rows<Record<string, unknown>>('_rejects/sales', '*', 'window_label, raw'),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** A lake that fails one commit. */
function refusingOnce(lake: Lake, prefix: () => string | undefined, refused: () => void): Lake {
  return new Proxy(lake, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target)
      if (typeof value !== 'function') return value
      return (...args: unknown[]): unknown => {
        const refusing = prefix()
        if (property === 'putIfAbsent' && refusing !== undefined && String(args[0]).startsWith(refusing)) {
          refused()
          return Promise.reject(new Error('killed'))
        }
        return Reflect.apply(value, target, args)
      }
    },
  })
}
