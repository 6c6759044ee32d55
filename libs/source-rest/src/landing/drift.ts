import type { QualityResult } from '@cinelake/contracts'
import type { DriftPolicy } from '../config/index.ts'
import { plainName } from '@cinelake/csv'
import { KIND, type Column, type Columns } from '@cinelake/json-rows'
import type { ExpectedField } from './expected-fields.ts'

/** Maximum number of names in a finding. */
const NAMED = 20

const KIND_NAMES = Object.entries(KIND)

/**
 * The differences between records and expectation as quality results: unexpected fields, fields that no
 * record had, fields of another kind. Names only.
 * @param expected undefined if there is no contract
 */
export function driftOf(
  expected: readonly ExpectedField[] | undefined,
  columns: Columns,
  recordCount: number,
  drift: DriftPolicy,
): QualityResult[] {
  if (expected === undefined || recordCount === 0) return []
  const seen = [...columns.all.values()]
  const severity = drift === 'fail' ? 'fail' : 'warn'
  return [
    ...newFields(seen, recordCount, severity, drift),
    ...missingFields(expected, seen, drift),
    ...retypedFields(expected, seen, recordCount, severity),
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
  expected: readonly ExpectedField[],
  seen: readonly Column[],
  drift: DriftPolicy,
): QualityResult[] {
  const present = new Set(seen.map(({ name }) => plainName(name)))
  const missing = expected.filter(({ spellings }) => !spellings.some((name) => present.has(plainName(name))))
  if (missing.length === 0) return []
  // An optional field that is absent everywhere does not break the contract.
  const severity = drift === 'fail' && missing.some(({ isRequired }) => isRequired) ? 'fail' : 'warn'
  const detail = `no record has: ${namesOf(missing.map(({ name }) => name))}`
  return [{ rule: 'schema_missing_fields', severity, checked: 1, failed: 1, detail }]
}

function retypedFields(
  expected: readonly ExpectedField[],
  seen: readonly Column[],
  checked: number,
  severity: 'warn' | 'fail',
): QualityResult[] {
  const retyped = expected.flatMap(({ name, type, spellings, kinds }) => {
    const names = new Set(spellings.map(plainName))
    const field = seen.find((column) => names.has(plainName(column.name)))
    const wrong = (field?.kinds ?? 0) & ~kinds
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
