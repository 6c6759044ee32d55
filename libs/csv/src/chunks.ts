import type { RecordScanner } from './scan.ts'

/** Lets a scanner see bytes that come in chunks: what it leaves of a chunk stands before the next one. */
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
      // A record is read up to its limit, so this happens a few times and then no more.
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
  /** After each chunk, so that what the scanner's sink has gathered can be written away. */
  readonly afterChunk?: () => Promise<void>
}

/** Lets a scanner see a whole file. */
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
