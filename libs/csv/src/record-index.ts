/** Entries kept: 3 MB, whatever the size of the file. */
const MAX_ENTRIES = 128 * 1024

/** Records between two entries while the file is small. */
const FIRST_STRIDE = 64

/** Position in a file from which a record can be read. */
export type RecordPlace = {
  /** Index of the record, from 0; blank lines are not counted. */
  readonly ordinal: number
  /** Byte offset of the record's first byte. */
  readonly offset: number
  /** Physical lines before the record. */
  readonly lineCount: number
}

/** An index of the position of every n-th record, so that a record is found without reading the file from its start. */
export class RecordIndex {
  readonly #limit: number
  #entries = new Float64Array(3 * 1024)
  #count = 0
  #stride: number

  /** `sparse`: keeps every position that is added, and none of those that are visited, except for the first record. */
  constructor(kind: 'thinning' | 'sparse' = 'thinning') {
    this.#limit = kind === 'sparse' ? Infinity : MAX_ENTRIES
    this.#stride = kind === 'sparse' ? Infinity : FIRST_STRIDE
  }

  /** To be called for each record in order. */
  visit(ordinal: number, offset: number, lineCount: number): void {
    if (ordinal % this.#stride === 0) this.add(ordinal, offset, lineCount)
  }

  add(ordinal: number, offset: number, lineCount: number): void {
    if (this.#count === this.#limit) this.#thin()
    const at = 3 * this.#count
    if (at === this.#entries.length) {
      const grown = new Float64Array(2 * at)
      grown.set(this.#entries)
      this.#entries = grown
    }
    this.#entries.set([ordinal, offset, lineCount], at)
    this.#count++
  }

  /** The last indexed position at or before a record, and the next one after it if there is one. */
  placesAround(ordinal: number): { readonly from: RecordPlace; readonly to: RecordPlace | undefined } {
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#entries[3 * middle] ?? 0) <= ordinal) low = middle + 1
      else high = middle
    }
    const from = this.#place(low - 1)
    if (from === undefined) throw new RangeError(`record ${ordinal} comes before the first of the index`)
    return { from, to: this.#place(low) }
  }

  #place(entry: number): RecordPlace | undefined {
    if (entry < 0 || entry >= this.#count) return undefined
    const [ordinal = 0, offset = 0, lineCount = 0] = this.#entries.subarray(3 * entry, 3 * entry + 3)
    return { ordinal, offset, lineCount }
  }

  /** Drops every second entry. */
  #thin(): void {
    this.#stride *= 2
    let kept = 0
    for (let entry = 0; entry < this.#count; entry += 2) {
      this.#entries.copyWithin(3 * kept, 3 * entry, 3 * entry + 3)
      kept++
    }
    this.#count = kept
  }
}
