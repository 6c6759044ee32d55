import type { TaskHandler, TaskOutcome } from '@cinelake/bus'
import { type Deliver, LATEST_WINDOW, type TableVersion } from '@cinelake/contracts'
import { type Clock, type Log, Semaphore } from '@cinelake/core'
import { createDeltaTable, type DeltaTable, locateTable } from '@cinelake/delta'
import type { SqlEngine } from '@cinelake/engine'
import { type PlaceAccess, PlaceRefusedError } from '@cinelake/file-places'
import { filledAccess } from '@cinelake/file-places/config'
import type { Lake } from '@cinelake/lake'
import {
  type CheckedDelivery,
  type CheckedPipeline,
  type DeliveredTable,
  fileName,
  loadPipeline,
  manifestName,
} from '@cinelake/pipeline'
import type { Fill } from '@cinelake/secrets'
import { join } from 'node:path'
import { servedErrors } from '../served-table.ts'
import { deliveryErrors } from './errors.ts'
import { compareDelivery, type Delivered, type Manifest, type Wanted, type WantedFile } from './manifest.ts'
import { bytesOf, digestOf, forgetUnfinished, isComplete, publish, readDelivered, type StagedFile } from './publish.ts'
import type { DeliveryPlace } from './server-place.ts'
import { stageFile } from './stage-file.ts'

/** Where files are delivered to, with every placeholder filled: a folder of this machine, or one on a server. */
export type PlaceSettings = { readonly path: string; readonly access: PlaceAccess }

export type DeliverDeps = {
  readonly lake: Lake
  readonly engine: SqlEngine
  readonly fill: Fill
  readonly openPlace: (settings: PlaceSettings) => Promise<DeliveryPlace>
  readonly clock: Clock
  readonly log: Log
}

type Input = {
  readonly table: DeliveredTable
  readonly delta: DeltaTable
  readonly version: number
  readonly rowCount: number | undefined
  readonly wanted: WantedFile
  /** Whether this version has a later window than the command's. */
  readonly isLater: boolean
}

/** Writes the tables of a delivery into its files, once for all messages of a command. */
export function createDeliver(deps: DeliverDeps): TaskHandler<'deliver'> {
  const { lake, engine, clock, log } = deps
  // Two messages of one command at once: the second finds the work of the first done.
  const turns = new Map<string, Semaphore>()
  return async (command, { signal, progress }) => {
    const pipeline = await loadPipeline(lake, command.pipeline, { signal })
    const delivery = pipeline.deliver?.find(({ name }) => name === command.delivery)
    if (delivery === undefined) throw deliveryErrors.DELIVERY_UNKNOWN(command.delivery, pipeline.name)
    const inputs = await findInputs({ lake, clock }, pipeline, delivery, command, signal)
    const path = manifestName(delivery.file, delivery.name, command.window)
    const owner = { pipeline: pipeline.name, delivery: delivery.name }
    const { run, window } = command
    const wanted: Wanted = { ...owner, run, window, files: inputs.map((input) => input.wanted) }
    return await inPlace(deps, delivery, async (place) => {
      const passed = delivery.perWindow ? inputs.filter(({ isLater }) => isLater).map(({ table }) => table.table) : []
      const look = async () => await lookAt(place, path, { wanted, passed }, signal)
      const early = await look()
      if (early.done !== undefined) return outcomeOf(delivery, place, path, early.done)

      await using scratch = await lake.scratch()
      const staged: StagedFile[] = []
      let rowCount = 0
      for (const [index, input] of inputs.entries()) {
        const file = await stage({ engine, signal, delivery, input, local: join(scratch.directory, String(index)) })
        staged.push(file)
        rowCount += file.delivered.rows
        progress({ rowCount })
      }
      const next: Manifest = { format: 1, ...owner, run, window, files: staged.map(({ delivered }) => delivered) }
      const key = `${pipeline.name}/${delivery.name}`
      const turn = turns.get(key) ?? new Semaphore(1)
      turns.set(key, turn)
      return await turn.run(async () => {
        const { before, done } = await look()
        if (done !== undefined) return outcomeOf(delivery, place, path, done)
        await publish(place, path, staged, next, { before, signal })
        log.info({ run, task: command.task, files: staged.length, rowCount }, 'files delivered')
        return outcomeOf(delivery, place, path, { outcome: 'delivered', manifest: next, rowsIn: sumOf(inputs) })
      }, signal)
    })
  }
}

type Done = {
  readonly outcome: 'delivered' | 'already-delivered' | 'superseded'
  readonly manifest: Manifest
  /** Rows of the tables by their logs; absent: those of the manifest. */
  readonly rowsIn?: number | undefined
}

type Asked = {
  readonly wanted: Wanted
  /** Tables that have later windows, where files are named for one. */
  readonly passed: readonly string[]
}

/**
 * What is at the place, and the outcome where nothing is to be done.
 * @throws {DELIVERY_WINDOW_PASSED} terminal
 */
async function lookAt(
  place: DeliveryPlace,
  path: string,
  { wanted, passed }: Asked,
  signal: AbortSignal,
): Promise<{ readonly before: Delivered; readonly done?: Done }> {
  const before = await readDelivered(place, path, wanted, signal)
  const { manifest, unfinished } = before
  const compared = compareDelivery(wanted, before)
  if (passed.length > 0 && compared === 'deliver') {
    if (manifest === undefined)
      throw deliveryErrors.DELIVERY_WINDOW_PASSED(wanted.delivery, wanted.window.label, passed)
    return { before, done: { outcome: 'superseded', manifest } }
  }
  if (manifest === undefined || compared === 'deliver') return { before }
  if (compared === 'superseded') return { before, done: { outcome: 'superseded', manifest } }
  if (!(await isComplete(place, manifest, signal))) return { before }
  if (unfinished !== undefined) await forgetUnfinished(place, path, signal)
  return { before, done: { outcome: 'already-delivered', manifest } }
}

async function findInputs(
  { lake, clock }: Pick<DeliverDeps, 'lake' | 'clock'>,
  pipeline: CheckedPipeline,
  delivery: CheckedDelivery,
  { inputs, window }: Deliver,
  signal: AbortSignal,
): Promise<Input[]> {
  return await Promise.all(
    delivery.tables.map(async (table): Promise<Input> => {
      const pinned = inputs.find((input): input is TableVersion => input.table === table.table)
      const path = await locateTable(lake, pipeline.name, table.table, { signal })
      const delta = createDeltaTable({ lake, path, clock })
      const snapshot =
        pinned && (await delta.snapshot({ version: pinned.version, ...(pinned.id && { id: pinned.id }), signal }))
      if (snapshot === undefined) throw servedErrors.LOADER_TABLE_MISSING(table.table, path)
      const { version, id, rowCount, configuration } = snapshot
      const isLater = Date.parse(configuration[LATEST_WINDOW] ?? '') > Date.parse(window.start)
      const { format, csv } = delivery
      const wanted: WantedFile = {
        file: fileName(delivery.file, table.as, window),
        table: table.table,
        tableId: id,
        version,
        format,
        ...(csv === undefined ? {} : { encoding: 'utf-8', csv }),
        columns: table.columns,
      }
      return { table, delta, version, rowCount, wanted, isLater }
    }),
  )
}

/**
 * Works at the place of a delivery, and closes it. Where it refuses the credentials, they are read once more, as they may
 * have been replaced.
 * @throws {PlaceholderError} {SecretMissingError} terminal: what its text names is not there
 */
async function inPlace<T>(
  { fill, openPlace }: DeliverDeps,
  delivery: CheckedDelivery,
  work: (place: DeliveryPlace) => Promise<T>,
): Promise<T> {
  const attempt = async (refresh: boolean) => {
    const access = await filledAccess(delivery, fill, { refresh })
    await using place = await openPlace({ path: await fill(delivery.path), access })
    return await work(place)
  }
  try {
    return await attempt(false)
  } catch (error) {
    if (!(error instanceof PlaceRefusedError) || delivery.auth === undefined) throw error
    return await attempt(true)
  }
}

async function stage({
  engine,
  signal,
  delivery,
  input,
  local,
}: {
  readonly engine: SqlEngine
  readonly signal: AbortSignal
  readonly delivery: CheckedDelivery
  readonly input: Input
  readonly local: string
}): Promise<StagedFile> {
  const { table, delta, version, rowCount: expected, wanted } = input
  await using session = await engine.session()
  await using view = await delta.view(session, { version, signal })
  if (view === undefined) throw servedErrors.LOADER_TABLE_MISSING(table.table, delta.path)
  const { relation } = view
  const rows = await stageFile({
    session,
    signal,
    delivery,
    table,
    relation,
    file: local,
    name: wanted.file,
    expected,
  })
  const bom = delivery.csv?.bom === true
  const { bytes, sha256 } = await digestOf(bytesOf({ local, bom }))
  return { local, bom, delivered: { ...wanted, rows, bytes, sha256 } }
}

const sumOf = (inputs: readonly Input[]) =>
  inputs.some(({ rowCount }) => rowCount === undefined)
    ? undefined
    : inputs.reduce((sum, { rowCount = 0 }) => sum + rowCount, 0)

function outcomeOf(
  { name }: CheckedDelivery,
  { location }: Pick<Lake, 'location'>,
  path: string,
  { outcome, manifest, rowsIn }: Done,
): TaskOutcome {
  const rows = manifest.files.reduce((sum, file) => sum + file.rows, 0)
  return {
    balance: { unit: 'rows', in: rowsIn ?? rows, out: rows, rejected: 0, duplicates: 0 },
    output: {
      kind: 'delivered',
      delivery: name,
      manifest: `${location}/${path}`,
      fileCount: manifest.files.length,
      sizeBytes: manifest.files.reduce((sum, { bytes }) => sum + bytes, 0),
      outcome,
    },
  }
}
