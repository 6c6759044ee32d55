/** Buffers of pages that are under way at once: one is converted to rows while the next one arrives. */
const MAX_SPARE = 2

/** Bytes. Larger ones are rare, and would be held for the rest of the task. */
const MAX_BYTES = 8 * 1024 * 1024

/**
 * Memory for bodies, used again page after page. Memory outside the heap that is allocated for each page makes the garbage collector
 * run once for some thirty pages.
 */
export class BodyBuffers {
  readonly #spare: ArrayBuffer[] = []
  /** Those that are in use and may be given back: once, and no memory that others have a part of. */
  readonly #lent = new WeakSet<ArrayBuffer>()

  /** The blocks as one buffer, to be given back or not. */
  joined(blocks: readonly Uint8Array[], sizeBytes: number): Buffer {
    const memory = this.#take(sizeBytes)
    this.#lent.add(memory)
    const body = Buffer.from(memory, 0, sizeBytes)
    let at = 0
    for (const block of blocks) {
      body.set(block, at)
      at += block.length
    }
    return body
  }

  /** Gives back the memory of a body that nothing uses any more. */
  release({ buffer }: Buffer): void {
    if (!(buffer instanceof ArrayBuffer) || !this.#lent.delete(buffer)) return
    if (buffer.byteLength <= MAX_BYTES && this.#spare.length < MAX_SPARE) this.#spare.push(buffer)
  }

  #take(sizeBytes: number): ArrayBuffer {
    const spare = this.#spare.pop()
    // Pages are of about the same size: the next one mostly fits.
    return spare !== undefined && spare.byteLength >= sizeBytes ? spare : new ArrayBuffer(Math.ceil(sizeBytes * 1.25))
  }
}
