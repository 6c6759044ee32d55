import { hash } from 'node:crypto'

/** Bytes of a row's key digest: half of a SHA-256, so that collisions do not occur in practice. */
const KEY_BYTES = 16

const NO_KEY = Buffer.alloc(KEY_BYTES)

/** The digest of a row's key; zeros if a part of the key is missing, which means that the row has no key. */
export function keyOf(parts: readonly (string | null | undefined)[]): Buffer {
  if (parts.some((part) => part === null || part === undefined)) return NO_KEY
  return hash('sha256', JSON.stringify(parts), 'buffer').subarray(0, KEY_BYTES)
}

/** Keys that are compared in one pass, which takes 84 MB of memory, whatever the number of rows. */
const KEYS_PER_PASS = 2_000_000

export type SupersededRows = {
  readonly count: number
  readonly has: (row: number) => boolean
  /** Rows without a key; they are never superseded. */
  readonly keylessCount: number
}

/**
 * The rows whose key occurs again later. Many keys are compared in several passes, each over its own partition of the keys.
 * @param keys yields the keys of all rows in order, from the start at each call
 */
export async function supersededRows(
  keys: () => AsyncIterable<Uint8Array>,
  rowCount: number,
  perPass = KEYS_PER_PASS,
): Promise<SupersededRows> {
  const isOld = new Uint8Array(Math.ceil(rowCount / 8))
  const passes = Math.max(1, Math.ceil(rowCount / perPass))
  let count = 0
  let keylessCount = 0
  for (let pass = 0; pass < passes; pass += 1) {
    const table = createTable(Math.ceil(rowCount / passes))
    let row = 0
    for await (const block of wholeKeys(keys())) {
      for (let at = 0; at < block.length; at += KEY_BYTES, row += 1) {
        if (block.readUInt32LE(at + 12) % passes !== pass) continue
        const before = table.put(block, at, row)
        if (before === 'no key') keylessCount += 1
        if (typeof before !== 'number') continue
        isOld[before >>> 3] = (isOld[before >>> 3] ?? 0) | (1 << (before & 7))
        count += 1
      }
    }
  }
  return { count, keylessCount, has: (row) => ((isOld[row >>> 3] ?? 0) & (1 << (row & 7))) !== 0 }
}

async function* wholeKeys(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const block of bytes) {
    const all =
      rest.length === 0 ? Buffer.from(block.buffer, block.byteOffset, block.byteLength) : Buffer.concat([rest, block])
    const end = all.length - (all.length % KEY_BYTES)
    yield all.subarray(0, end)
    rest = all.subarray(end)
  }
}

/** A hash table of keys and the last row of each, in flat memory. Grows, since partitions are never quite even. */
function createTable(expected: number) {
  let slots = 1 << Math.ceil(Math.log2(Math.max(16, expected * 1.5)))
  let words = new Uint32Array(slots * 5)
  let used = 0
  const find = (a: number, b: number, c: number, d: number) => {
    for (let slot = (a ^ b) & (slots - 1); ; slot = (slot + 1) & (slots - 1)) {
      const at = slot * 5
      // A row is stored as its number plus one: zero is an empty slot.
      if (words[at + 4] === 0) return at
      if (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d) return at
    }
  }
  const set = (a: number, b: number, c: number, d: number, row: number) => {
    const at = find(a >>> 0, b >>> 0, c >>> 0, d >>> 0)
    const before = words[at + 4] ?? 0
    words.set([a, b, c, d, row + 1], at)
    if (before === 0) used += 1
    return before === 0 ? undefined : before - 1
  }
  const grow = () => {
    const old = words
    slots *= 2
    used = 0
    words = new Uint32Array(slots * 5)
    for (let at = 0; at < old.length; at += 5) {
      const [a = 0, b = 0, c = 0, d = 0, row = 0] = old.subarray(at, at + 5)
      if (row !== 0) set(a, b, c, d, row - 1)
    }
  }
  return {
    /** @returns the previous row with this key; undefined for a new key */
    put(keys: Buffer, at: number, row: number): number | 'no key' | undefined {
      const [a, b, c, d] = [0, 4, 8, 12].map((offset) => keys.readUInt32LE(at + offset)) as [
        number,
        number,
        number,
        number,
      ]
      if (a === 0 && b === 0 && c === 0 && d === 0) return 'no key'
      if (used * 4 > slots * 3) grow()
      return set(a, b, c, d, row)
    },
  }
}
