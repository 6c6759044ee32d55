import type { CheckedColumn } from '@cinelake/source-kind'
import { KIND } from '@cinelake/json-rows'

/** A field that records are held against. */
export type ExpectedField = {
  readonly name: string
  /** How records may spell it. */
  readonly spellings: readonly string[]
  /** Kinds of values that it may have, as bits. */
  readonly kinds: number
  /** The same in words. */
  readonly type: string
  readonly isRequired: boolean
}

/** What a contract expects of records. */
export function expectedFields(columns: readonly CheckedColumn[]): ExpectedField[] {
  return columns.map(({ name, type, required, reading }) => ({
    name,
    spellings: reading.from,
    kinds: kindsFor(type),
    type,
    isRequired: required,
  }))
}

const ANY = Object.values(KIND).reduce((bits, bit) => bits | bit, 0)

/** Kinds of JSON values that a type can be read from: a text may hold anything, that is for the type's own rule. */
function kindsFor(type: string): number {
  if (type.endsWith('[]')) return KIND.array | KIND.text
  if (type.startsWith('VARCHAR')) return ANY
  if (type === 'BOOLEAN') return KIND.boolean | KIND.text | KIND.number
  if (/^(?:DATE|TIME)/.test(type)) return KIND.text
  return KIND.number | KIND.text
}
