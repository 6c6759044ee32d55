import { createHash } from 'node:crypto'
import type { AdlsTuning } from './container.ts'

/** Blocks in one object. Source: learn.microsoft.com/…/understanding-block-blobs--append-blobs--and-page-blobs */
export const MAX_BLOCKS = 50_000

/**
 * Bytes of the block with this number. It depends on the number alone, so that the same content is always split in the
 * same way, and blocks of an earlier attempt are found again.
 */
export function blockSizeAt(
  number: number,
  { blockBytes, blocksPerSize }: Pick<AdlsTuning, 'blockBytes' | 'blocksPerSize'>,
): number {
  return blockBytes * 2 ** Math.floor(number / blocksPerSize)
}

/** A block of content. Its bytes are a view of a buffer that is reused. */
export type Cut = {
  readonly number: number
  readonly offset: number
  readonly buffer: Buffer
  readonly bytes: Buffer
  readonly isLast: boolean
}

/**
 * Splits a stream into blocks; an empty stream is one empty block.
 * @param buffer returns an unused buffer of at least this many bytes
 */
export async function* cutIntoBlocks(
  content: AsyncIterable<Uint8Array>,
  sizeAt: (number: number) => number,
  buffer: (bytes: number) => Buffer,
): AsyncGenerator<Cut> {
  let number = 0
  let offset = 0
  let filled = 0
  let size = sizeAt(0)
  let current = buffer(size)
  for await (const part of content) {
    for (let at = 0; at < part.byteLength;) {
      // A full block waits for the next byte: only then is it known not to be the last.
      if (filled === size) {
        yield { number, offset, buffer: current, bytes: current.subarray(0, filled), isLast: false }
        offset += filled
        number += 1
        filled = 0
        size = sizeAt(number)
        current = buffer(size)
      }
      const taken = Math.min(size - filled, part.byteLength - at)
      current.set(part.subarray(at, at + taken), filled)
      filled += taken
      at += taken
    }
  }
  yield { number, offset, buffer: current, bytes: current.subarray(0, filled), isLast: true }
}

/**
 * The id of a block encodes its position and its content: two writers who send the same block send one, and a retry
 * after a failure need not send existing blocks again. 24 bytes, base64: all ids of an object must have one length.
 */
export function blockId(offset: number, md5: Uint8Array): string {
  const id = Buffer.alloc(24)
  id.writeBigUInt64BE(BigInt(offset))
  id.set(md5, 8)
  return id.toString('base64')
}

export function md5Of(bytes: Uint8Array): Buffer {
  return createHash('md5').update(bytes).digest()
}
