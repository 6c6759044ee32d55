import type { RecordScanner } from './scan.ts'

/** Feeds a scanner with bytes that come in chunks: the incomplete record at the end of a chunk is put before the next chunk. */
export class ChunkScanner {
  readonly #scanner: RecordScanner
  #window = Buffer.alloc(0)
  #length = 0
  #offset: number

  /** @param base offset in the file of the first chunk's first byte */
  constructor(scanner: RecordScanner, base: number) {
    this.#scanner = scanner
    this.#offset = base
  }

  push(chunk: Uint8Array): void {
    if (this.#length + chunk.length > this.#window.length) {
      // Records are bounded in length, so the buffer grows only a few times.
      const grown = Buffer.allocUnsafe(2 * (this.#length + chunk.length))
      this.#window.copy(grown, 0, 0, this.#length)
      this.#window = grown
    }
    this.#window.set(chunk, this.#length)
    this.#length += chunk.length
    this.#scan(false)
  }

  /** To be called after the last chunk. */
  end(): void {
    this.#scan(true)
  }

  #scan(isLast: boolean): void {
    const taken = this.#scanner.scan(this.#window, 0, this.#length, this.#offset, isLast)
    this.#window.copyWithin(0, taken, this.#length)
    this.#length -= taken
    this.#offset += taken
  }
}

export type ScanChunksOptions = {
  /** Offset in the file of the first chunk's first byte. */
  readonly base: number
  /** Called after each chunk, so that the output gathered by the scanner's sink can be flushed. */
  readonly afterChunk?: () => Promise<void>
}

/** Feeds a scanner with a whole file. */
export async function scanChunks(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  scanner: RecordScanner,
  { base, afterChunk }: ScanChunksOptions,
): Promise<void> {
  const window = new ChunkScanner(scanner, base)
  for await (const chunk of chunks) {
    window.push(chunk)
    await afterChunk?.()
  }
  window.end()
  await afterChunk?.()
}
