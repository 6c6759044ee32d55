import { guessPersonal } from './guess-personal.ts'
import { inferColumn, type Inferred } from './infer-column.ts'
import { textsOf, type Sample } from './sample.ts'

/** A column as the draft has it. */
export type DraftColumn = {
  /** In the contract. */
  readonly name: string
  /** In the source. */
  readonly from: string
  readonly inferred: Inferred
  readonly emptyCount: number
  readonly distinctCount: number
  readonly isRequired: boolean
  readonly isKey: boolean
  /** Every value is there once, and there is one in every row. */
  readonly isUnique: boolean
  /** Why it seems to be personal. */
  readonly personal: string | undefined
  /** The few values that there are. */
  readonly values: readonly string[] | undefined
  /** Of numbers: none is below. */
  readonly minimum: number | undefined
}

export type Draft = {
  readonly columns: readonly DraftColumn[]
  /** Columns of the source that get no place, and why. */
  readonly leftOut: readonly (readonly [name: string, why: string])[]
}

/** Characters. The longest name of a column. */
const MAX_NAME = 63
/** Values that a column may have to be one of few. */
const MAX_VALUES = 12
/** Rows from which it can be said that values are few. */
const MIN_ROWS = 20

/** What a sample says about a dataset's columns. */
export function draftOf(sample: Sample): Draft {
  const leftOut: (readonly [string, string])[] = []
  const names = new Set<string>()
  const columns = sample.columns.flatMap(({ name: from, type }, index) => {
    const name = contractName(from, index)
    const twin = plain(name)
    if (names.has(twin)) {
      leftOut.push([from, 'another column has the same name but for case, spaces, `-` and `_`'])
      return []
    }
    names.add(twin)
    return [draftColumn(sample, { index, from, name, type })]
  })
  return { columns: withKey(columns, sample.primaryKey), leftOut }
}

type Place = { readonly index: number; readonly from: string; readonly name: string; readonly type: string | undefined }

function draftColumn(sample: Sample, { index, from, name, type }: Place): DraftColumn {
  const texts = textsOf(sample, index)
  const inferred = type === undefined ? inferColumn(texts) : { type: landedType(type) }
  const nulls = new Set(inferred.nulls)
  const present = texts.filter((text) => !nulls.has(text))
  const distinctCount = new Set(present).size
  const emptyCount = sample.rows.length - present.length
  const personal = guessPersonal(name, present)
  const isComplete = emptyCount === 0 && sample.rows.length > 0
  return {
    name,
    from,
    inferred,
    emptyCount,
    distinctCount,
    isRequired: isComplete,
    isKey: false,
    isUnique: isComplete && distinctCount === sample.rows.length,
    personal,
    values: personal === undefined ? valuesOf(present, inferred) : undefined,
    minimum: minimumOf(present, inferred),
  }
}

/** A name that a contract may have: lower case, with `_` between words. */
function contractName(from: string, index: number): string {
  const words = from
    .normalize('NFKC')
    .replaceAll(/(\p{Ll}|\p{N})(\p{Lu})/gu, '$1_$2')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, '_')
    .replaceAll(/^_+|_+$/g, '')
  const named = /^\p{L}/u.test(words) ? words : words === '' ? `column_${index + 1}` : `c_${words}`
  return Array.from(named).slice(0, MAX_NAME).join('').replace(/_+$/, '')
}

/** As names of columns are compared. */
export const plain = (name: string) => name.toLowerCase().replaceAll(/[\s_-]/g, '')

/** A type in which a table lands as one that a contract may have. */
function landedType(type: string): string {
  if (/^(?:BOOLEAN|DATE|TIME|DOUBLE|BIGINT|INTEGER|DECIMAL\(\d+,\d+\)|VARCHAR(?:\[\])?)$/.test(type)) return type
  if (/^(?:U?TINYINT|U?SMALLINT)$/.test(type)) return 'INTEGER'
  if (type === 'UINTEGER') return 'BIGINT'
  if (/^(?:FLOAT|REAL)$/.test(type)) return 'DOUBLE'
  return type.startsWith('TIMESTAMP') ? 'TIMESTAMP WITH TIME ZONE' : 'VARCHAR'
}

function valuesOf(texts: readonly string[], { type }: Inferred): readonly string[] | undefined {
  const values = new Set(texts)
  const isFew =
    type === 'VARCHAR' && texts.length >= MIN_ROWS && values.size <= MAX_VALUES && values.size * 4 <= texts.length
  const isShort = [...values].every((value) => value.length <= 40)
  return isFew && isShort ? [...values].sort() : undefined
}

/** What was never negative is mostly never to be. */
function minimumOf(texts: readonly string[], { type, decimal }: Inferred): number | undefined {
  if (decimal !== undefined || texts.length === 0 || !/^(?:BIGINT|INTEGER|DOUBLE|DECIMAL)/.test(type)) return undefined
  return texts.some((text) => text.startsWith('-')) ? undefined : 0
}

/** The source's own key, else the first unique column that is called like one. */
function withKey(columns: readonly DraftColumn[], known: readonly string[] = []): DraftColumn[] {
  const keys = new Set(known)
  const guess = known.length > 0 ? undefined : columns.find((column) => column.isUnique && isKeyName(column.name))
  return columns.map((column) =>
    keys.has(column.from) || column === guess
      ? { ...column, isKey: true, isRequired: true, minimum: undefined }
      : column,
  )
}

const isKeyName = (name: string) => /^(?:id|.*_id|uuid|guid|key|.*_key|code|no|.*_no|number|nr|.*_nr)$/.test(name)
