// @module-tag slow: takes long
import { createHash } from 'node:crypto'
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { TaskOutcome } from '@cinelake/bus'
import { manifestPath, type KnownVersion, type Load, type Manifest, type Refine } from '@cinelake/contracts'
import { silentLog, systemClock, taskFileName } from '@cinelake/core'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { createLoaderHandlers } from '@cinelake/loader'
import { freezePipeline, type CheckedPipeline } from '@cinelake/pipeline'
import { aCommandHeader, temporaryDirectory } from '@cinelake/testkit'
import { createTransformerHandlers } from '@cinelake/transformer'
import { createPgliteWarehouse } from '@cinelake/warehouse/pglite'
import { openPgliteDatabase } from '@cinelake/database/pglite'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'

const column = { name: 'id', type: 'BIGINT', required: true }
const pipeline: CheckedPipeline = {
  format: 1,
  name: 'shop',
  schedule: { every: 'day', timeZone: 'UTC', start: '2026-03-01', delayMs: 0 },
  retry: { maxAttempts: 1, backoffMs: 0, maxBackoffMs: 0 },
  sources: [{ type: 'files', name: 'shop', path: 'in', datasets: [] }],
  datasets: [
    {
      name: 'orders',
      source: 'shop',
      sourceDataset: 'orders',
      mode: 'merge',
      newestBy: [],
      duplicates: 'newest',
      partitionBy: [],
      reading: { header: true, nulls: [] },
      contract: {
        id: 'orders',
        version: '1',
        primaryKey: ['id'],
        rowRules: [],
        tableRules: [],
        columns: [{ ...column, reading: { from: ['id'] } }],
      },
    },
  ],
  models: [],
  serve: [{ table: 'orders', as: 'orders', columns: [column], primaryKey: ['id'] }],
}
const frozen = freezePipeline(pipeline)

type Step = 'commit' | 'redeliver' | 'lose table' | 'lose log' | 'back up' | 'restore' | 'restart'
const createPlace = async ({ path }: { readonly path: string }) => await createDirectoryLake(path)

const STEPS: readonly Step[] = [
  'commit',
  'commit',
  'commit',
  'redeliver',
  'lose table',
  'lose log',
  'back up',
  'restore',
  'restart',
]

test('whatever is lost, restored or begun again, the mart shows the rows that were made last, or an error is told', async () => {
  await using directory = await temporaryDirectory()
  const scratchDirectory = join(directory.path, 'scratch')
  const limits = { memoryBytes: 256e6, threads: 1, scratchDirectory, directories: [directory.path] }
  await using engine = await createDuckDbEngine(limits)
  await using database = await openPgliteDatabase()
  let count = 0

  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...STEPS), { minLength: 3, maxLength: 10 }), async (steps) => {
      await database.pglite.exec('DROP SCHEMA IF EXISTS shop CASCADE; DROP SCHEMA IF EXISTS loader CASCADE')
      const root = join(directory.path, `lake-${(count += 1)}`)
      await using lake = await createDirectoryLake(root)
      await using warehouse = await createPgliteWarehouse(database)
      await lake.putIfAbsent(frozen.path, frozen.text)
      const deps = { lake, engine, warehouse, clock: systemClock, log: silentLog }
      const handlers = {
        ...createTransformerHandlers(deps),
        ...createLoaderHandlers({ ...deps, fill: async (text) => text, openPlace: createPlace }),
      }
      const context = { signal: new AbortController().signal, progress() {} }
      const [table, backup] = [join(root, 'refined/shop/orders'), join(root, 'backup')]

      // What the run history knows, and what was made in it, row by row.
      let known: KnownVersion | undefined
      let rows: number[] = []
      let last: { readonly command: Refine; readonly load: Load } | undefined
      // What is in the lake and in the backup, as the history would tell it.
      let [there, kept]: (string | undefined)[] = [undefined, undefined]

      const land = async (id: number, restart: boolean): Promise<Refine> => {
        const date = new Date(Date.UTC(2026, 2, id)).toISOString().slice(0, 10)
        const end = new Date(Date.UTC(2026, 2, id + 1)).toISOString().slice(0, 10)
        const window = { start: `${date}T00:00:00Z`, end: `${end}T00:00:00Z`, label: date }
        const content = `id\n${id}\n`
        const file = `raw/${date}.csv`
        const task = 'ingest shop/orders'
        const manifest = manifestPath('shop', date, taskFileName(task), 1)
        const sha256 = createHash('sha256').update(content).digest('hex')
        const files = [{ path: file, name: 'a.csv', sizeBytes: content.length, sha256 }]
        const about = { run: `shop@${date}`, generation: 1, source: 'shop', dataset: 'orders', window }
        const landed: Manifest = { version: 1, task, ...about, format: 'csv', files }
        await lake.put(file, content)
        await lake.put(manifest, JSON.stringify(landed))
        const header = aCommandHeader({
          run: `shop@${date}`,
          task: 'refine orders',
          window,
          pipeline: { name: 'shop', digest: frozen.digest },
        })
        const expected = known === undefined ? {} : { expected: known }
        return { ...header, kind: 'refine', dataset: 'orders', manifest, ...expected, ...(restart && { restart }) }
      }
      const fails = async (work: () => Promise<void>): Promise<boolean> =>
        await work().then(
          () => false,
          () => true,
        )
      const doing = async (command: Refine): Promise<void> => {
        const { version, id } = tableOf(await handlers.refine!(command, context))
        const header = aCommandHeader({ ...command, task: 'load orders' })
        const load: Load = { ...header, kind: 'load', table: 'orders', version, tableId: id! }
        ;[known, last] = [
          { version, id },
          { command, load },
        ]
        await handlers.load!(load, context)
      }

      for (const [index, step] of steps.entries()) {
        const state = () => JSON.stringify([known, rows])
        const isWhole = there === state() || (there === undefined && known === undefined)
        let isTold = false
        // Beginning again is always possible; whatever else finds another state than the history knows is told.
        let isTellable = false
        if (step === 'commit' || step === 'restart') {
          isTellable = step === 'commit'
          isTold = await fails(async () => await doing(await land(index + 1, step === 'restart')))
          if (!isTold) rows = step === 'restart' ? [index + 1] : [...rows, index + 1]
          if (!isTold) there = state()
        } else if (step === 'redeliver' && last !== undefined) {
          isTellable = true
          const { command, load } = last
          isTold = await fails(async () => {
            await handlers.refine!(command, context)
            // From here on a command that came late has made a table of which the history does not hear.
            if (!isWhole) there = 'made by a command that came late'
            await handlers.load!(load, context)
          })
        } else if (step === 'lose table') {
          await rm(table, { recursive: true, force: true })
          there = undefined
        } else if (step === 'lose log') {
          await rm(join(table, '_delta_log'), { recursive: true, force: true })
          there = there === undefined ? undefined : 'no log'
        } else if (step === 'back up') {
          await rm(backup, { recursive: true, force: true })
          if (there !== undefined) await cp(table, backup, { recursive: true })
          kept = there
        } else if (step === 'restore') {
          await rm(table, { recursive: true, force: true })
          if (kept !== undefined) await cp(backup, table, { recursive: true })
          there = kept
        }
        const shown = await warehouse.query('SELECT id FROM orders ORDER BY id').then(
          ({ rows: all }) => all.map(({ id }) => Number(id)),
          () => [],
        )
        expect({ step, index, isTold, shown }).toEqual({
          step,
          index,
          isTold: isTellable && !isWhole,
          shown: rows.toSorted((a, b) => a - b),
        })
      }
    }),
    { numRuns: 12 },
  )
})

function tableOf({ output }: TaskOutcome) {
  if (output.kind !== 'table') throw new Error(`expected a table, got ${output.kind}`)
  return output
}
