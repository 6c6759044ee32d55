import { guessPersonal } from './guess-personal.ts'
import { inferColumn, type Inferred } from './infer-column.ts'
import { withKey, type DraftColumn } from './guess-key.ts'
import { isCode, isCoordinate, isKeyName } from './name-meaning.ts'
import type { Sample, SampleColumn } from '@cinelake/source-kind'
import { textsOf } from './sample.ts'

export type Draft = {
  readonly columns: readonly DraftColumn[]
  /** Columns of the source that get no place, and why. */
  readonly leftOut: readonly (readonly [name: string, why: string])[]
}

/** Characters. The longest name of a column. */
const MAX_NAME = 63
/** Values that a column may have to be one of few. One alone says nothing. */
const MIN_VALUES = 2
const MAX_VALUES = 12
/** Rows from which it can be said that values are few. */
const MIN_ROWS = 20

/**
 * What a sample says about a dataset's columns.
 * @param dataset its name, which may say whom or what the rows are about
 */
export function draftOf(sample: Sample, dataset: string): Draft {
  const leftOut: (readonly [string, string])[] = []
  const names = new Set<string>()
  const columns = sample.columns.flatMap((column, index) => {
    const name = contractName(column.name, index)
    const twin = plain(name)
    if (names.has(twin)) {
      leftOut.push([column.name, 'another column has the same name but for case, spaces, `-` and `_`'])
      return []
    }
    names.add(twin)
    return [draftColumn(sample, { index, column, name, dataset })]
  })
  return { columns: withKey(columns, sample, dataset), leftOut }
}

type Place = {
  readonly index: number
  readonly column: SampleColumn
  readonly name: string
  readonly dataset: string
}

function draftColumn(sample: Sample, { index, column, name, dataset }: Place): DraftColumn {
  const { name: from, type } = column
  const texts = textsOf(sample, index)
  const inferred = type === undefined ? fitting(name, inferColumn(texts)) : landed(column, type)
  const nulls = new Set(inferred.nulls)
  const present = texts.filter((text) => !nulls.has(text))
  const distinctCount = new Set(present).size
  const emptyCount = sample.rows.length - present.length
  const personal = inferred.type === 'BOOLEAN' ? undefined : guessPersonal({ name, dataset }, present)
  const isComplete = emptyCount === 0 && sample.rows.length > 0
  const isText = type === undefined || type === 'VARCHAR'
  return {
    name,
    from,
    inferred,
    emptyCount,
    distinctCount,
    // A row that was not looked at may lack it: that must not cost the row.
    isRequired: (isComplete && sample.isAll) || isSurelyThere(column, inferred),
    isKey: false,
    isUnique: isComplete && distinctCount === sample.rows.length,
    personal,
    values: personal === undefined && isText ? valuesOf(present, inferred) : undefined,
    minimum: isKeyName(name) || isCoordinate(name) ? undefined : minimumOf(present, inferred),
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

/** What a name says goes before what the digits look like: in another row there may be zeros in front, or more digits. */
function fitting(name: string, inferred: Inferred): Inferred {
  if (isCode(name) && /^(?:BIGINT|DECIMAL|DOUBLE)/.test(inferred.type)) return withoutNumber(inferred)
  return isCoordinate(name) && inferred.type.startsWith('DECIMAL') ? { ...inferred, type: 'DOUBLE' } : inferred
}

function withoutNumber({ nulls }: Inferred): Inferred {
  return { type: 'VARCHAR', ...(nulls === undefined ? {} : { nulls }), note: 'digits, but no number' }
}

/** A text that is not NULL may be empty, and so may a list: where rows are refined, that counts as no value. */
function isSurelyThere({ isNeverNull = false }: SampleColumn, { type }: Inferred): boolean {
  return isNeverNull && type !== 'VARCHAR' && !type.endsWith('[]')
}

/** Types of databases that are a time of no zone. */
const LOCAL_TIME = /^(?:timestamp(?:\(\d\))?(?: without time zone)?|(?:small)?datetime2?(?:\(\d\))?)$/i

function landed({ sourceType = '' }: SampleColumn, type: string): Inferred {
  const note = LOCAL_TIME.test(sourceType) ? { note: 'without an offset: taken for UTC' } : {}
  return { type: landedType(type), ...note }
}

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
    type === 'VARCHAR' &&
    texts.length >= MIN_ROWS &&
    values.size >= MIN_VALUES &&
    values.size <= MAX_VALUES &&
    values.size * 4 <= texts.length
  const isShort = [...values].every((value) => value.length <= 40)
  return isFew && isShort ? [...values].sort() : undefined
}

/** What was never negative is mostly never to be. */
function minimumOf(texts: readonly string[], { type, decimal }: Inferred): number | undefined {
  if (decimal !== undefined || texts.length === 0 || !/^(?:BIGINT|INTEGER|DOUBLE|DECIMAL)/.test(type)) return undefined
  return texts.some((text) => text.startsWith('-')) ? undefined : 0
}
