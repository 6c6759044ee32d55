import type { CheckedColumn } from '@cinelake/source-kind'
import { KIND } from '@cinelake/json-rows'

/** A field that records are checked against. */
export type ExpectedField = {
  readonly name: string
  /** The spellings that records may use. */
  readonly spellings: readonly string[]
  /** The allowed kinds of values, as bits. */
  readonly kinds: number
  /** The same as text. */
  readonly type: string
  readonly isRequired: boolean
}

/** The fields of records that a contract expects. */
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

/** Kinds of JSON values that a type can be parsed from: a text may contain anything, which the type's own rule checks. */
function kindsFor(type: string): number {
  if (type.endsWith('[]')) return KIND.array | KIND.text
  if (type.startsWith('VARCHAR')) return ANY
  if (type === 'BOOLEAN') return KIND.boolean | KIND.text | KIND.number
  if (/^(?:DATE|TIME)/.test(type)) return KIND.text
  return KIND.number | KIND.text
}
