import type { RecordScanner } from './csv-scan.ts'

export type ScanChunksOptions = {
  /** Offset in the file of the first chunk's first byte. */
  readonly base: number
  /** After each chunk, so that what the scanner's sink has gathered can be written away. */
  readonly afterChunk?: () => Promise<void>
}

/** Lets a scanner see a whole file: what it leaves of a chunk stands before the next one. */
export async function scanChunks(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  scanner: RecordScanner,
  { base, afterChunk }: ScanChunksOptions,
): Promise<void> {
  let window = Buffer.alloc(0)
  let length = 0
  let offset = base
  for await (const chunk of chunks) {
    if (length + chunk.length > window.length) {
      // A record is read up to its limit, so this happens a few times and then no more.
      const grown = Buffer.allocUnsafe(2 * (length + chunk.length))
      window.copy(grown, 0, 0, length)
      window = grown
    }
    window.set(chunk, length)
    length += chunk.length
    const taken = scanner.scan(window, 0, length, offset, false)
    window.copyWithin(0, taken, length)
    length -= taken
    offset += taken
    await afterChunk?.()
  }
  scanner.scan(window, 0, length, offset, true)
  await afterChunk?.()
}
