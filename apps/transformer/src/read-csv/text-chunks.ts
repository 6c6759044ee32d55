import { CancelledError } from '@cinelake/core'
import { open } from 'node:fs/promises'

/** Bytes. Large enough that a read costs nothing beside what is done with it, small beside any memory limit. */
const CHUNK_BYTES = 1024 * 1024

export type ChunkOptions = {
  /** Offset of the first byte. */
  readonly start?: number
  readonly chunkBytes?: number
  readonly signal?: AbortSignal
}

/** The bytes of a file in chunks. A chunk is good until the one after the next is asked for: the next is read meanwhile. */
export async function* readChunks(file: string, options: ChunkOptions = {}): AsyncGenerator<Buffer> {
  const { start = 0, chunkBytes = CHUNK_BYTES, signal } = options
  await using handle = await open(file, 'r')
  const buffers = [Buffer.allocUnsafe(chunkBytes), Buffer.allocUnsafe(chunkBytes), Buffer.allocUnsafe(chunkBytes)]
  const read = async (turn: number, position: number) => {
    const buffer = buffers[turn % buffers.length] ?? Buffer.alloc(chunkBytes)
    const { bytesRead } = await handle.read(buffer, 0, chunkBytes, position)
    return buffer.subarray(0, bytesRead)
  }
  let position = start
  let next = read(0, position)
  for (let turn = 1; ; turn++) {
    const chunk = await next
    if (signal?.aborted === true) throw new CancelledError(`reading ${file}`, { cause: signal.reason })
    if (chunk.length === 0) return
    position += chunk.length
    next = read(turn, position)
    // An error is met when its turn comes, or not at all when nobody wants the chunk.
    next.catch(() => undefined)
    yield chunk
  }
}
