import { createHash } from 'node:crypto'
import { LakeObjectMissingError, type Lake } from '@cinelake/lake'
import { z } from 'zod'
import type { SpooledRows } from '@cinelake/json-rows'

/** Format version of the kept pages: pages of another version are requested again. */
export const FORMAT = 2

/** Digits of the header's length at the beginning of an object, and a line feed. */
const PREFIX = 11

const count = z.int().min(0)

/** The state after a page, apart from the rows. */
export const LandingState = z.object({
  rowCount: count,
  columns: z.array(z.tuple([z.string(), z.int(), count, count]).readonly()).readonly(),
  widths: z.array(z.object({ fromRow: count, width: count }).readonly()).readonly(),
  /** Bytes of responses so far. */
  sizeBytes: count,
  /** Position of the next page; null after the last page. */
  next: z.unknown(),
  /** With the last page: the cursor for the next window. */
  cursor: z.string().optional(),
})
export type LandingState = z.infer<typeof LandingState>

/** The header of an object with one page or several consecutive pages. Pages are counted from 1. */
export const PageHead = z.object({
  format: z.literal(FORMAT),
  /** Identifies the requests: digest of pipeline, dataset, window, generation and everything else they depend on. */
  of: z.string(),
  at: z.iso.datetime(),
  first: z.int().positive(),
  last: z.int().positive(),
  /** The chain link that the pages continue, and the one that the next page continues. */
  after: z.string(),
  link: z.string(),
  rowsBytes: count,
  keysBytes: count,
  /** Of rows and keys, lowercase hex. */
  sha256: z.string(),
  state: LandingState,
})
export type PageHead = z.infer<typeof PageHead>

/** Chains pages by a digest: pages of two workers that got different responses never end up in one file. */
export function linkOf(after: string, sha256: string, state: LandingState): string {
  return createHash('sha256')
    .update(JSON.stringify([after, sha256, state.rowCount, state.next]))
    .digest('hex')
}

export function headText(head: Omit<PageHead, 'format'>): Buffer {
  const text = Buffer.from(JSON.stringify({ format: FORMAT, ...head }))
  return Buffer.concat([Buffer.from(`${String(text.length).padStart(PREFIX - 1, '0')}\n`), text])
}

/** @returns undefined if the object does not exist (any more), or is incomplete or damaged */
export async function readHead(
  lake: Pick<Lake, 'read'>,
  path: string,
  signal: AbortSignal,
): Promise<PageHead | undefined> {
  try {
    return await headOf(lake, path, signal)
  } catch (error) {
    if (error instanceof LakeObjectMissingError) return undefined
    throw error
  }
}

async function headOf(lake: Pick<Lake, 'read'>, path: string, signal: AbortSignal): Promise<PageHead | undefined> {
  const prefix = (await bytesOf(lake, path, 0, PREFIX, signal)).toString('latin1')
  if (!/^\d{10}\n$/.test(prefix)) return undefined
  const text = await bytesOf(lake, path, PREFIX, PREFIX + Number(prefix), signal)
  const parsed = PageHead.safeParse(jsonOf(text.toString('utf8')))
  if (!parsed.success) return undefined
  const hash = createHash('sha256')
  let sizeBytes = 0
  for await (const block of lake.read(path, { start: PREFIX + text.length, signal })) {
    hash.update(block)
    sizeBytes += block.byteLength
  }
  const { rowsBytes, keysBytes, sha256 } = parsed.data
  return sizeBytes === rowsBytes + keysBytes && hash.digest('hex') === sha256 ? parsed.data : undefined
}

/** Rows and keys of an object whose header is known, block by block. */
export async function* readSpooled(
  lake: Pick<Lake, 'read'>,
  path: string,
  { rowsBytes, keysBytes }: PageHead,
  signal: AbortSignal,
): AsyncGenerator<SpooledRows> {
  const prefix = (await bytesOf(lake, path, 0, PREFIX, signal)).toString('latin1')
  const rows = PREFIX + Number(prefix)
  const none = Buffer.alloc(0)
  for await (const block of lake.read(path, { start: rows, end: rows + rowsBytes, signal })) {
    yield { rows: Buffer.from(block), keys: none }
  }
  const keys = rows + rowsBytes
  for await (const block of lake.read(path, { start: keys, end: keys + keysBytes, signal })) {
    yield { rows: none, keys: Buffer.from(block) }
  }
}

async function bytesOf(
  lake: Pick<Lake, 'read'>,
  path: string,
  start: number,
  end: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const blocks: Uint8Array[] = []
  for await (const block of lake.read(path, { start, end, signal })) blocks.push(block)
  return Buffer.concat(blocks)
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
