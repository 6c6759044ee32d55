import type { CheckedColumn, PipelineOfSource } from '@cinelake/source-kind'
import type { DriftPolicy, RestDataset, RestSource } from '../config/index.ts'
import { plainName } from '@cinelake/csv'
import { type Column, type Columns, KIND, type RowRules } from '@cinelake/json-rows'
import { POSITION, VALUE } from '../children/explode-rows.ts'
import type { QualityResult } from '@cinelake/contracts'

/** The contract that a dataset's records are checked against; undefined if the pipeline has none for it. */
export function expectedOf(
  { datasets }: PipelineOfSource,
  source: RestSource,
  dataset: RestDataset,
): readonly ExpectedField[] | undefined {
  const known = datasets.find((each) => each.source === source.name && each.sourceDataset === dataset.name)
  return known === undefined ? undefined : expectedFields(known.contract.columns)
}

/**
 * How a dataset's records become rows: from the expected columns, and from those that the platform needs:
 * keys, and the columns that other datasets depend on.
 */
export function rowRulesOf(
  source: RestSource,
  dataset: RestDataset,
  expected: readonly ExpectedField[] | undefined,
): RowRules {
  const needed = [
    ...(dataset.key ?? []),
    ...ownColumns(dataset),
    ...source.datasets.flatMap((other) => startOf(other, dataset.name)),
  ]
  const named = expected?.flatMap(({ spellings }) => spellings)
  return {
    known: named === undefined ? undefined : new Set([...named, ...needed].map(plainName)),
    drift: dataset.drift ?? 'evolve',
    spellings: expected && spellingsOf(expected),
    flatten: dataset.flatten ?? {},
    key: dataset.key ?? [],
  }
}

/** The normalized spellings of each expected field; without those that several of them have. */
function spellingsOf(expected: readonly ExpectedField[]): Map<string, string> {
  const owners = new Map<string, Set<string>>()
  for (const { name, spellings } of expected) {
    for (const spelling of spellings.map(plainName)) {
      owners.set(spelling, (owners.get(spelling) ?? new Set()).add(name))
    }
  }
  return new Map([...owners].flatMap(([spelling, [name = '', ...more]]) => (more.length > 0 ? [] : [[spelling, name]])))
}

/** Columns that come from the parent. */
function ownColumns({ parent, explodedFrom }: RestDataset): string[] {
  if (explodedFrom !== undefined) {
    return [...explodedFrom.key.map((field) => `${explodedFrom.dataset}.${field}`), POSITION, VALUE]
  }
  return parent === undefined ? [] : parent.fields.map((field) => `${parent.dataset}.${field}`)
}

/** Columns of a dataset that another one depends on. */
function startOf({ parent, explodedFrom }: RestDataset, dataset: string): readonly string[] {
  if (parent?.dataset === dataset) return parent.fields
  return explodedFrom?.dataset === dataset ? [...explodedFrom.key, explodedFrom.field] : []
}

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
function expectedFields(columns: readonly CheckedColumn[]): ExpectedField[] {
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
  const seen = [...new Set(columns.all.values())]
  const severity = drift === 'fail' ? 'fail' : 'warn'
  return [
    ...newFields(seen, recordCount, severity, drift),
    ...missingFields(expected, [...columns.all.keys()], drift),
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
  names: readonly string[],
  drift: DriftPolicy,
): QualityResult[] {
  const present = new Set(names.map(plainName))
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
