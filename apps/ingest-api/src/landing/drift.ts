import type { QualityResult } from '@cinelake/contracts'
import type { CheckedColumn, DriftPolicy } from '@cinelake/pipeline'
import { KIND, plainName, type Column, type Columns } from './columns.ts'

/** Names that a finding repeats. */
const NAMED = 20

/** Kinds of JSON values that a type can be read from: a text may hold anything, that is for the type's own rule. */
function kindsFor(type: string): number {
  if (type.endsWith('[]')) return KIND.array | KIND.text
  if (type.startsWith('VARCHAR')) return KIND.text | KIND.number | KIND.boolean | KIND.array | KIND.object
  if (type === 'BOOLEAN') return KIND.boolean | KIND.text | KIND.number
  if (/^(?:DATE|TIME)/.test(type)) return KIND.text
  return KIND.number | KIND.text
}

const KIND_NAMES = Object.entries(KIND)

/**
 * What the records have otherwise than the contract says, as quality results: fields that it does not know, fields that no
 * record had, fields of another kind. Names only. Without a contract there is nothing to compare with.
 */
export function driftOf(
  contract: readonly CheckedColumn[] | undefined,
  columns: Columns,
  recordCount: number,
  drift: DriftPolicy,
): QualityResult[] {
  if (contract === undefined || recordCount === 0) return []
  const seen = [...columns.all.values()]
  const severity = drift === 'fail' ? 'fail' : 'warn'
  return [
    ...newFields(seen, recordCount, severity, drift),
    ...missingFields(contract, seen, drift),
    ...retypedFields(contract, seen, recordCount, severity),
  ]
}

function newFields(
  seen: readonly Column[],
  checked: number,
  severity: 'warn' | 'fail',
  drift: DriftPolicy,
): QualityResult[] {
  const fields = seen.filter(({ isKnown }) => !isKnown)
  if (fields.length === 0) return []
  const failed = Math.min(checked, Math.max(...fields.map(({ recordCount }) => recordCount)))
  const detail = `fields that the contract does not know (${drift}): ${namesOf(fields.map(({ name }) => name))}`
  return [{ rule: 'schema_new_fields', severity, checked, failed, detail }]
}

function missingFields(
  contract: readonly CheckedColumn[],
  seen: readonly Column[],
  drift: DriftPolicy,
): QualityResult[] {
  const present = new Set(seen.map(({ name }) => plainName(name)))
  const missing = contract.filter(({ reading }) => !reading.from.some((name) => present.has(plainName(name))))
  if (missing.length === 0) return []
  // An optional field that nobody has today is no broken contract.
  const severity = drift === 'fail' && missing.some(({ required }) => required) ? 'fail' : 'warn'
  const detail = `no record has: ${namesOf(missing.map(({ name }) => name))}`
  return [{ rule: 'schema_missing_fields', severity, checked: 1, failed: 1, detail }]
}

function retypedFields(
  contract: readonly CheckedColumn[],
  seen: readonly Column[],
  checked: number,
  severity: 'warn' | 'fail',
): QualityResult[] {
  const retyped = contract.flatMap(({ name, type, reading }) => {
    const names = new Set(reading.from.map(plainName))
    const field = seen.find((column) => names.has(plainName(column.name)))
    const wrong = (field?.kinds ?? 0) & ~kindsFor(type)
    if (field === undefined || wrong === 0) return []
    const got = KIND_NAMES.filter(([, bit]) => (wrong & bit) !== 0).map(([kind]) => kind)
    return [{ text: `${name} (expected ${type}, got ${got.join(' and ')})`, recordCount: field.recordCount }]
  })
  if (retyped.length === 0) return []
  const failed = Math.min(checked, Math.max(...retyped.map(({ recordCount }) => recordCount)))
  const detail = `fields of another kind: ${namesOf(retyped.map(({ text }) => text))}`
  return [{ rule: 'schema_retyped_fields', severity, checked, failed, detail }]
}

function namesOf(names: readonly string[]): string {
  const some = names.slice(0, NAMED).join(', ')
  return names.length > NAMED ? `${some} and ${names.length - NAMED} more` : some
}
