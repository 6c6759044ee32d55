import { createHash } from 'node:crypto'
import { z } from 'zod'
import { pushErrors, type PushPlace } from '../errors.ts'
import { FORMATS, type PushFormat } from '../body/body-form.ts'
import { formerPushFolder, rawFolder } from '@cinelake/contracts'
import type { CallOptions, Lake } from '@cinelake/lake'

/** The lake's record of a push: written last, so that the body exists when the record does. */
export const Receipt = z.object({
  version: z.literal(1),
  id: z.string().min(1),
  /** When its last byte arrived. */
  receivedAt: z.iso.datetime(),
  format: z.enum(FORMATS),
  /** Lake path of the body. */
  path: z.string().min(1),
  /** Of the decompressed body. */
  sizeBytes: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  rowCount: z.int().min(0),
  /** Checked names of the columns of its rows; absent if an earlier release accepted it. */
  columns: z.array(z.string()).optional(),
  /** Of a CSV body, as it was checked. */
  delimiter: z.string().length(1).optional(),
})

export type Receipt = z.infer<typeof Receipt>

/** The pushes of a window, after it was closed. */
export const Closed = z.object({ version: z.literal(1), ids: z.array(z.string()) })
export type Closed = z.infer<typeof Closed>

/** The folder of a dataset's pushes, as found by `locatePushes`. */
export type PushFolder = { readonly folder: string }

const windowFolder = ({ folder }: PushFolder, label: string) => `${folder}/${label}`

export const bodyPath = (place: PushFolder, label: string, id: string, format: PushFormat) =>
  `${windowFolder(place, label)}/${id}.${format}`
export const receiptsFolder = (place: PushFolder, label: string) => `${windowFolder(place, label)}/_received`
export const receiptPath = (place: PushFolder, label: string, id: string) =>
  `${receiptsFolder(place, label)}/${id}.json`
/** Put before the pushes of a window are listed: a receipt that is written later may be missing from the list. */
export const closingPath = (place: PushFolder, label: string) => `${windowFolder(place, label)}/_closing.json`
export const closedPath = (place: PushFolder, label: string) => `${windowFolder(place, label)}/_closed.json`

/** The path of the receipt for an idempotency key. A key may have any characters, hence its digest. */
export function keyPath(place: PushFolder, key: string): string {
  return `${place.folder}/_keys/${createHash('sha256').update(key).digest('hex')}.json`
}

/** An id begins with the instant at which its push began, so that ids sort by time and lead to their window. */
export function newPushId(now: Date, random: string): string {
  return `${now.toISOString().replaceAll(/[-:]/g, '').replace('.', '')}-${random.replaceAll('-', '').slice(0, 16)}`
}

/** The instant in an id; undefined for an invalid id. */
export function beginOf(id: string): Date | undefined {
  const parts = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})(\d{3})Z-[0-9a-f]{16}$/.exec(id)
  if (parts === null) return undefined
  const [, year, month, day, hour, minute, second, milli] = parts
  const instant = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}.${milli}Z`)
  return Number.isNaN(instant.getTime()) ? undefined : instant
}

/** Parses a record of the lake. @throws {PUSH_RECORD_CORRUPT} terminal */
export function readRecordText<T>(schema: z.ZodType<T>, text: string, path: string): T {
  try {
    return schema.parse(JSON.parse(text))
  } catch (error) {
    throw pushErrors.PUSH_RECORD_CORRUPT(path, { cause: error })
  }
}

/** The folder of a dataset's pushes: decided once, by the first service that needs it. */
const Place = z.object({ version: z.literal(1), folder: z.string().min(1) })
/** The pipeline that continues a folder from the time before pipelines had folders of their own. */
const Owner = z.object({ version: z.literal(1), pipeline: z.string().min(1) })

type Store = Pick<Lake, 'readText' | 'putIfAbsent' | 'list'>

/**
 * The folder of a dataset's pushes: in the pipeline's own folder. If pushes arrived before pipelines had folders of their
 * own, new ones go to the old folder, so that a window is closed in one place; it is assigned to the first pipeline that asks.
 */
export async function locatePushes(
  lake: Store,
  pipeline: string,
  place: PushPlace,
  options: CallOptions = {},
): Promise<string> {
  const { own, former, decision } = pathsOf(pipeline, place)
  const known = await readPlace(lake, decision, options)
  if (known !== undefined) return known
  const folder = (await claimFormer(lake, former, pipeline, options)) ? former : own
  const text = JSON.stringify({ version: 1, folder } satisfies z.infer<typeof Place>)
  if ((await lake.putIfAbsent(decision, text, options)) === 'created') return folder
  return (await readPlace(lake, decision, options)) ?? folder
}

/** The same, read-only: nothing is decided. */
export async function findPushes(
  lake: Omit<Store, 'putIfAbsent'>,
  pipeline: string,
  place: PushPlace,
  options: CallOptions = {},
): Promise<string> {
  const { own, former, decision } = pathsOf(pipeline, place)
  const known = await readPlace(lake, decision, options)
  if (known !== undefined) return known
  const owner = await readOwner(lake, former, options)
  return (owner ?? pipeline) === pipeline && (await isThere(lake, former, options)) ? former : own
}

function pathsOf(pipeline: string, { source, dataset }: PushPlace) {
  const own = rawFolder(pipeline, 'push', source, dataset)
  return { own, former: formerPushFolder(source, dataset), decision: `${own}/_place.json` }
}

async function claimFormer(lake: Store, former: string, pipeline: string, options: CallOptions): Promise<boolean> {
  if (!(await isThere(lake, former, options))) return false
  const text = JSON.stringify({ version: 1, pipeline } satisfies z.infer<typeof Owner>)
  if ((await lake.putIfAbsent(ownerPath(former), text, options)) === 'created') return true
  return (await readOwner(lake, former, options)) === pipeline
}

async function isThere(lake: Pick<Lake, 'list'>, folder: string, options: CallOptions): Promise<boolean> {
  for await (const _ of lake.list(folder, options)) return true
  return false
}

async function readPlace(
  lake: Pick<Lake, 'readText'>,
  path: string,
  options: CallOptions,
): Promise<string | undefined> {
  const text = await lake.readText(path, options)
  return text === undefined ? undefined : readRecordText(Place, text, path).folder
}

async function readOwner(
  lake: Pick<Lake, 'readText'>,
  former: string,
  options: CallOptions,
): Promise<string | undefined> {
  const text = await lake.readText(ownerPath(former), options)
  return text === undefined ? undefined : readRecordText(Owner, text, ownerPath(former)).pipeline
}

const ownerPath = (former: string) => `${former}/_pipeline.json`
