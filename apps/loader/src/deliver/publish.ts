import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { deliveryErrors } from './errors.ts'
import { type Delivered, type DeliveredFile, Manifest, textOfManifest, Unfinished } from './manifest.ts'
import type { DeliveryPlace } from './server-place.ts'

/** A finished local file, and what is put before its bytes. */
export type StagedFile = { readonly local: string; readonly bom: boolean; readonly delivered: DeliveredFile }

type Place = Omit<DeliveryPlace, keyof AsyncDisposable>
type Owner = Pick<Manifest, 'pipeline' | 'delivery'>

/** Bytes of a byte order mark in UTF-8. */
const BOM = Buffer.from('\uFEFF')

export async function* bytesOf({ local, bom }: Pick<StagedFile, 'local' | 'bom'>): AsyncGenerator<Uint8Array> {
  if (bom) yield BOM
  yield* createReadStream(local)
}

/** Size and digest of bytes as they are delivered. */
export async function digestOf(
  content: AsyncIterable<Uint8Array>,
): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const block of content) {
    hash.update(block)
    bytes += block.byteLength
  }
  return { bytes, sha256: hash.digest('hex') }
}

const unfinishedPath = (manifest: string) => `${manifest}.part`

/**
 * What of a delivery is at its place. A file whose size differs from the manifest's, or that is gone, is not there.
 * @throws {DELIVERY_FILE_TAKEN} terminal: the manifest is another delivery's, or no manifest
 */
export async function readDelivered(
  place: Place,
  manifest: string,
  owner: Owner,
  signal: AbortSignal,
): Promise<Delivered> {
  const read = async <Value extends Owner>(path: string, parse: (text: string) => Value | undefined) => {
    const text = await place.readText(path, { signal })
    if (text === undefined) return undefined
    const found = parse(text)
    if (found === undefined) throw deliveryErrors.DELIVERY_FILE_TAKEN(path, place.location, 'another program')
    if (found.pipeline !== owner.pipeline || found.delivery !== owner.delivery)
      throw deliveryErrors.DELIVERY_FILE_TAKEN(path, place.location, `${found.pipeline}, ${found.delivery}`)
    return found
  }
  return {
    manifest: await read(manifest, (text) => Manifest.safeParse(parsed(text)).data),
    unfinished: await read(unfinishedPath(manifest), (text) => Unfinished.safeParse(parsed(text)).data),
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Whether all files of a manifest are at their place, by their sizes. */
export async function isComplete(place: Place, { files }: Manifest, signal: AbortSignal): Promise<boolean> {
  for (const file of files) if (!(await isThere(place, file, signal))) return false
  return true
}

async function isThere(place: Place, { file, bytes }: DeliveredFile, signal: AbortSignal): Promise<boolean> {
  return (await place.stat(file, { signal }))?.sizeBytes === bytes
}

/** Removes the note of a delivery that was killed after its last step. */
export async function forgetUnfinished(place: Place, manifest: string, signal: AbortSignal): Promise<void> {
  await place.delete(unfinishedPath(manifest), { signal })
}

/**
 * Puts staged files in their place. Each appears as a whole, and the manifest last: while files change there is none, so
 * that it never contradicts them. A note beside it tells the next attempt what this one has touched.
 * @throws {DELIVERY_FILE_TAKEN} terminal: a file of others is there; nothing was changed
 */
export async function publish(
  place: Place,
  path: string,
  staged: readonly StagedFile[],
  next: Manifest,
  { before, signal }: { readonly before: Delivered; readonly signal: AbortSignal },
): Promise<void> {
  const known = new Set([
    ...(before.manifest?.files ?? []).map(({ file }) => file),
    ...(before.unfinished?.files ?? []).map(({ file }) => file),
    ...(before.unfinished?.replaces ?? []),
  ])
  for (const file of staged) if (!known.has(file.delivered.file)) await requireFree(place, file, signal)
  const changed: StagedFile[] = []
  for (const file of staged) if (!(await isUnchanged(place, file, before, signal))) changed.push(file)
  const names = new Set(next.files.map(({ file }) => file))
  const stale = [...known].filter((file) => !names.has(file))
  if (changed.length > 0 || stale.length > 0) {
    const note: Unfinished = { ...next, replaces: [...known].sort() }
    await place.put(unfinishedPath(path), textOfManifest(note), { signal })
    await place.delete(path, { signal })
    for (const file of changed) {
      const { sha256 } = await place.write(file.delivered.file, bytesOf(file), { signal })
      if (sha256 !== file.delivered.sha256)
        throw deliveryErrors.DELIVERY_UPLOAD_DAMAGED(file.delivered.file, place.location)
    }
    for (const file of stale) await place.delete(file, { signal })
  }
  await place.put(path, textOfManifest(next), { signal })
  await forgetUnfinished(place, path, signal)
}

/** A file of the same bytes is what another worker has written meanwhile. */
async function requireFree(place: Place, { delivered }: StagedFile, signal: AbortSignal): Promise<void> {
  const found = await place.stat(delivered.file, { signal })
  if (found === undefined) return
  const isSame =
    found.sizeBytes === delivered.bytes &&
    (await digestOf(place.read(delivered.file, { signal }))).sha256 === delivered.sha256
  if (!isSame) throw deliveryErrors.DELIVERY_FILE_TAKEN(delivered.file, place.location, 'another program')
}

async function isUnchanged(
  place: Place,
  { delivered }: StagedFile,
  { manifest }: Delivered,
  signal: AbortSignal,
): Promise<boolean> {
  const old = manifest?.files.find(({ file }) => file === delivered.file)
  return old?.sha256 === delivered.sha256 && (await isThere(place, delivered, signal))
}
