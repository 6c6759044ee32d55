import { eachBlock } from '@cinelake/core'
import { crc32 } from 'node:zlib'

/** JSON objects from a log: validated, not trusted. */
export type JsonObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Reads the fields of an object and remembers the first invalid one. */
export class Fields {
  readonly #object: JsonObject
  readonly #name: string
  /** `add.size: expected a number, got "12"` */
  problem: string | undefined

  constructor(name: string, object: JsonObject) {
    this.#name = name
    this.#object = object
  }

  text(field: string): string {
    const value = this.#object[field]
    return typeof value === 'string' ? value : this.#wrong(field, 'text', '')
  }

  optionalText(field: string): string | undefined {
    return this.#object[field] === undefined || this.#object[field] === null ? undefined : this.text(field)
  }

  /** Whole numbers; a reader of Parquet gives them as bigints. */
  number(field: string): number {
    const value = this.#object[field]
    if (typeof value === 'bigint') return Number(value)
    return typeof value === 'number' && Number.isFinite(value) ? value : this.#wrong(field, 'a number', 0)
  }

  optionalNumber(field: string): number | undefined {
    return this.#object[field] === undefined || this.#object[field] === null ? undefined : this.number(field)
  }

  boolean(field: string, otherwise: boolean): boolean {
    const value = this.#object[field]
    if (value === undefined || value === null) return otherwise
    return typeof value === 'boolean' ? value : this.#wrong(field, 'true or false', otherwise)
  }

  texts(field: string): string[] {
    const value = this.#object[field] ?? []
    if (!Array.isArray(value)) return this.#wrong(field, 'a list of text', [])
    return value.every((item) => typeof item === 'string') ? value : this.#wrong(field, 'a list of text', [])
  }

  /** An object of texts; null stays null. */
  map(field: string): Record<string, string | null> {
    const value = this.#object[field] ?? {}
    if (!isObject(value)) return this.#wrong(field, 'an object of text', {})
    const entries: [string, string | null][] = []
    for (const [key, item] of Object.entries(value)) {
      if (item === null || item === undefined) entries.push([key, null])
      else if (typeof item === 'string') entries.push([key, item])
      else return this.#wrong(field, 'an object of text', {})
    }
    return Object.fromEntries(entries)
  }

  #wrong<Value>(field: string, expected: string, otherwise: Value): Value {
    this.problem ??= `${this.#name}.${field}: expected ${expected}, got ${kindOf(this.#object[field])}`
    return otherwise
  }
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'a list' : typeof value
}

/**
 * The tag under which a checksum is kept: in `add.tags` that of a data file, in `_last_checkpoint` that of a
 * checkpoint.
 */
export const CHECKSUM_TAG = 'cinelake.crc32'

/** CRC-32 of bytes or of a text in UTF-8, lowercase hex. Detects damage, not forgery. */
export function checksumOf(content: string | Uint8Array): string {
  return hex(crc32(content))
}

export async function checksumOfFile(file: string): Promise<string> {
  let sum = 0
  await eachBlock(file, (block) => (sum = crc32(block, sum)))
  return hex(sum)
}

function hex(sum: number): string {
  return sum.toString(16).padStart(8, '0')
}
