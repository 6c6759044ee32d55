import type { CommandOf, TaskContext } from '@cinelake/bus'
import { silentLog, systemClock } from '@cinelake/core'
import { createDeltaTable } from '@cinelake/delta'
import type { SqlEngine } from '@cinelake/engine'
import type { Lake } from '@cinelake/lake'
import { createDirectoryLake } from '@cinelake/lake/directory'
import {
  type CheckedDelivery,
  type CheckedPipeline,
  type CsvForm,
  type DeliveredTable,
  freezePipeline,
} from '@cinelake/pipeline'
import { aCommandHeader } from '@cinelake/testkit'
import { createDeliver, type DeliverDeps } from './deliver-tables.ts'
import type { DeliveryPlace } from './server-place.ts'

export const CSV: CsvForm = {
  delimiter: ',',
  header: true,
  quote: 'needed',
  bom: false,
  null: '',
  lineEnd: 'lf',
  decimal: '.',
  formulas: 'keep',
}

export const TITLES: DeliveredTable = {
  table: 'titles',
  as: 'titles',
  columns: [
    { name: 'id', type: 'BIGINT' },
    { name: 'name', type: 'VARCHAR' },
  ],
  primaryKey: ['id'],
  keyMayBeShown: true,
}

export function aDelivery(path: string, fields: Partial<CheckedDelivery> = {}): CheckedDelivery {
  const delivery: CheckedDelivery = {
    name: 'partner',
    path,
    format: 'csv',
    file: '{table}_{date}.csv',
    perWindow: true,
    tables: [TITLES],
    ...fields,
  }
  return { ...(delivery.format === 'csv' ? { csv: CSV } : {}), ...delivery }
}

export const WORK: TaskContext = { signal: new AbortController().signal, progress: () => {} }

let commits = 0

/** Writes a refined table of the pipeline `shop` as a whole. @returns its version */
export async function refine(
  lake: Lake,
  engine: SqlEngine,
  table: string,
  query: string,
  configuration: Readonly<Record<string, string>> = {},
): Promise<number> {
  commits += 1
  await using session = await engine.session()
  const delta = createDeltaTable({ lake, path: `refined/shop/${table}`, clock: systemClock })
  return (await delta.overwrite(session, query, { txn: { appId: 'test', version: commits }, configuration })).version
}

/** Keeps the pipeline in the lake. @returns the command that delivers it */
export async function commandFor(
  lake: Lake,
  delivery: CheckedDelivery,
  versions: Readonly<Record<string, number>>,
  { day = '2026-03-01', pipeline = 'shop' }: { readonly day?: string; readonly pipeline?: string } = {},
): Promise<CommandOf<'deliver'>> {
  const text: CheckedPipeline = {
    format: 1,
    name: pipeline,
    schedule: { every: 'day', timeZone: 'UTC', start: '2026-03-01', delayMs: 0 },
    retry: { maxAttempts: 1, backoffMs: 0, maxBackoffMs: 0 },
    sources: [],
    datasets: [],
    models: [],
    serve: [],
    deliver: [delivery],
  }
  const frozen = freezePipeline(text)
  await lake.putIfAbsent(frozen.path, frozen.text)
  const end = new Date(Date.parse(day) + 86_400_000).toISOString().slice(0, 10)
  const header = aCommandHeader({
    run: `${pipeline}@${day}`,
    task: `deliver ${delivery.name}`,
    pipeline: { name: pipeline, digest: frozen.digest },
    window: { start: `${day}T00:00:00Z`, end: `${end}T00:00:00Z`, label: day },
  })
  const inputs = Object.entries(versions).map(([table, version]) => ({ table, version }))
  return { ...header, kind: 'deliver', delivery: delivery.name, inputs }
}

/** @param change what is put around the place of the files */
export function deliverer(
  lake: Lake,
  engine: SqlEngine,
  change: (place: DeliveryPlace) => DeliveryPlace = (place) => place,
  openPlace: DeliverDeps['openPlace'] = async ({ path }) => await createDirectoryLake(path),
) {
  return createDeliver({
    lake,
    engine,
    fill: async (text) => text,
    openPlace: async (settings) => change(await openPlace(settings)),
    clock: systemClock,
    log: silentLog,
  })
}

/** The place with something done before each of its changes, in their order; in writes after the first block. */
export function withSteps(place: DeliveryPlace, step: (what: string) => void): DeliveryPlace {
  return {
    ...place,
    put: async (path, content, options) => {
      step(`put ${path}`)
      await place.put(path, content, options)
    },
    delete: async (path, options) => {
      step(`delete ${path}`)
      return await place.delete(path, options)
    },
    write: async (path, content, options) => await place.write(path, interrupted(path, content, step), options),
  }
}

async function* interrupted(path: string, content: AsyncIterable<Uint8Array>, step: (what: string) => void) {
  yield new Uint8Array()
  for await (const block of content) {
    step(`write ${path}`)
    yield block
  }
}
