import { createHash } from 'node:crypto'
import type { TaskOutcome } from '@cinelake/bus'
import { CONTRACT_VERSION, manifestPath, type LandedFile, type Manifest, type Refine } from '@cinelake/contracts'
import { silentLog, taskFileName } from '@cinelake/core'
import { createDeltaTable } from '@cinelake/delta'
import type { EngineRow } from '@cinelake/engine'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { openScratchSpace, type Lake } from '@cinelake/lake'
import { freezePipeline, type CheckedColumn, type CheckedDataset, type CheckedPipeline } from '@cinelake/pipeline'
import { aCommandHeader, fixedClock, temporaryDirectory } from '@cinelake/testkit'
import type { WarehouseLimits } from '@cinelake/warehouse'
import type { UnpackLimits } from '../read-csv/unpack-settings.ts'
import { createRefine } from './refine-dataset.ts'

const MIB = 1024 * 1024

/** A column for tests: optional text by default. */
export function aColumn(
  name: string,
  fields: Partial<Omit<CheckedColumn, 'reading'>> & { readonly reading?: Partial<CheckedColumn['reading']> } = {},
): CheckedColumn {
  const { reading, ...others } = fields
  return { name, type: 'VARCHAR', required: false, ...others, reading: { from: [name], ...reading } }
}

type DatasetFields = Partial<Omit<CheckedDataset, 'contract' | 'reading'>> & {
  readonly columns: readonly CheckedColumn[]
  readonly contract?: Partial<CheckedDataset['contract']>
  readonly reading?: Partial<CheckedDataset['reading']>
}

/** A snapshot dataset `orders` for tests; callers give only the fields that matter. Any share of rows may be rejected. */
export function aDataset({ columns, contract, reading, ...fields }: DatasetFields): CheckedDataset {
  return {
    name: 'orders',
    source: 'shop',
    sourceDataset: 'orders',
    mode: 'snapshot',
    newestBy: [],
    duplicates: 'newest',
    maxRejected: 1,
    partitionBy: [],
    ...fields,
    reading: { header: true, nulls: [], ...reading },
    contract: {
      id: 'orders',
      version: '1',
      primaryKey: [],
      rowRules: [],
      tableRules: [],
      ...contract,
      columns: [...columns],
    },
  }
}

export type LandedContent = string | Uint8Array
export type Landing = {
  /** Files by name. */
  readonly files: Readonly<Record<string, LandedContent>>
  readonly day?: number
  readonly generation?: number
  readonly manifest?: Partial<Manifest>
  /** Of each of the files. */
  readonly unfit?: LandedFile['unfit']
}

/** A separate lake and engine with the refine use case over them. */
export async function aRefinery(
  options: {
    readonly wrapLake?: (lake: Lake) => Lake
    readonly memoryBytes?: number
    readonly limits?: UnpackLimits
    /** Limits of the warehouse; the dataset is served. */
    readonly mart?: WarehouseLimits
  } = {},
) {
  const directory = await temporaryDirectory()
  const lake = await createDirectoryLake(`${directory.path}/lake`)
  const engine = await createDuckDbEngine({
    memoryBytes: options.memoryBytes ?? 256 * MIB,
    threads: 2,
    scratchDirectory: `${directory.path}/scratch`,
    directories: [directory.path],
  })
  const clock = fixedClock()
  // Limits need a separate scratch folder.
  const texts = options.limits && (await openScratchSpace(`${directory.path}/texts`))
  const room = texts === undefined || options.limits === undefined ? {} : { scratch: texts, limits: options.limits }
  const place = {
    lake,
    engine,
    clock,
    log: silentLog,
    ...room,
    ...(options.mart === undefined ? {} : { mart: options.mart }),
  }

  /** Lands files and makes the command for their refinement. */
  const land = async (dataset: CheckedDataset | undefined, landing: Landing): Promise<Refine> => {
    const { files, day = 1, generation = 1, unfit } = landing
    const window = dayWindow(day)
    const run = `shop@${window.label}`
    const name = dataset?.name ?? 'orders'
    const source = { type: 'files' as const, name: 'shop', path: 'in', datasets: [] }
    const pipeline: CheckedPipeline = {
      format: 1,
      name: 'shop',
      schedule: { every: 'day', timeZone: 'UTC', start: '2026-03-01', delayMs: 0 },
      retry: { maxAttempts: 1, backoffMs: 0, maxBackoffMs: 0 },
      sources: [source],
      datasets: dataset === undefined ? [] : [dataset],
      models: [],
      serve:
        options.mart === undefined || dataset === undefined
          ? []
          : [
              {
                table: dataset.name,
                as: dataset.name,
                columns: dataset.contract.columns.map(({ name: column, type, required }) => ({
                  name: column,
                  type,
                  required,
                })),
                primaryKey: dataset.contract.primaryKey,
              },
            ],
    }
    const frozen = freezePipeline(pipeline)
    await lake.putIfAbsent(frozen.path, frozen.text)
    const landed = await Promise.all(
      Object.entries(files).map(([file, content]) =>
        landFile(lake, `raw/shop/files/shop/${name}/${window.label}.g${generation}/${file}`, file, content),
      ),
    )
    const task = `ingest shop/${name}`
    const manifest: Manifest = {
      version: 1,
      run,
      task,
      generation,
      source: 'shop',
      dataset: name,
      window,
      format: 'csv',
      files: landed.map((file) => ({ ...file, ...(unfit && { unfit }) })),
      ...landing.manifest,
    }
    const path = manifestPath('shop', window.label, taskFileName(task), generation)
    await lake.put(path, JSON.stringify(manifest))
    const header = aCommandHeader({
      run,
      task: `refine ${name}`,
      generation,
      pipeline: { name: 'shop', digest: frozen.digest },
      window,
    })
    return { ...header, kind: 'refine', contract: CONTRACT_VERSION, dataset: name, manifest: path }
  }

  const refine = async (command: Refine, signal = new AbortController().signal): Promise<TaskOutcome> => {
    const handler = createRefine({ ...place, lake: options.wrapLake?.(lake) ?? lake })
    return await handler(command, { signal, progress: () => undefined })
  }

  /** The rows of a table in the lake, `[]` where there is none. */
  const rowsOf = async (table: string, orderBy = 'ALL', columns = '*'): Promise<EngineRow[]> => {
    await using session = await engine.session()
    await using view = await createDeltaTable({ lake, path: `refined/shop/${table}`, clock }).view(session)
    if (view === undefined) return []
    return await session.rows(`SELECT ${columns} FROM ${view.relation} ORDER BY ${orderBy}`)
  }

  return {
    ...place,
    directory: directory.path,
    land,
    refine,
    rowsOf,
    table: (name: string) => createDeltaTable({ lake, path: `refined/shop/${name}`, clock }),
    async refineFiles(dataset: CheckedDataset, landing: Landing): Promise<TaskOutcome> {
      return await refine(await land(dataset, landing))
    },
    async [Symbol.asyncDispose]() {
      await texts?.[Symbol.asyncDispose]()
      await engine[Symbol.asyncDispose]()
      await lake[Symbol.asyncDispose]()
      await directory[Symbol.asyncDispose]()
    },
  }
}
export type Refinery = Awaited<ReturnType<typeof aRefinery>>

export function dayWindow(day: number) {
  const date = (offset: number) => new Date(Date.UTC(2026, 2, day + offset)).toISOString().slice(0, 10)
  return { start: `${date(0)}T00:00:00Z`, end: `${date(1)}T00:00:00Z`, label: date(0) }
}

async function landFile(lake: Lake, path: string, name: string, content: LandedContent): Promise<LandedFile> {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content
  await lake.put(path, bytes)
  return { path, name, sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
}
