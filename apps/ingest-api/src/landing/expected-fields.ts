import type { LandedField } from '@cinelake/contracts'
import type { CheckedColumn } from '@cinelake/pipeline'
import { KIND } from './columns.ts'

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
  /** It is not told that no record has it: that was told before. */
  readonly mayBeMissing: boolean
}

/** What the records of a dataset are held against: its contract, or what it had when it landed last. */
export type Expected = { readonly by: 'contract' | 'landing before'; readonly fields: readonly ExpectedField[] }

export function expectedByContract(columns: readonly CheckedColumn[]): Expected {
  const fields = columns.map(({ name, type, required, reading }) => ({
    name,
    spellings: reading.from,
    kinds: kindsFor(type),
    type,
    isRequired: required,
    mayBeMissing: false,
  }))
  return { by: 'contract', fields }
}

export function expectedByLanding(before: readonly LandedField[]): Expected {
  const fields = before.map(({ name, kinds, isMissing = false }) => ({
    name,
    spellings: [name],
    // Of a field that was always null nothing is known yet.
    kinds: kinds.length === 0 ? ANY : kinds.reduce((bits, kind) => bits | KIND[kind], 0),
    type: kinds.join(' or '),
    isRequired: false,
    mayBeMissing: isMissing,
  }))
  return { by: 'landing before', fields }
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
