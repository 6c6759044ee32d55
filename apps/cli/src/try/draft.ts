import type { SqlSession } from '@cinelake/engine'
import type { Sample, SampleColumn } from '@cinelake/source-kind'
import type { SampledColumn } from '@cinelake/transformer'
import { type AskedColumn, chooseTypes, type ColumnTexts, type Tried } from './choose-types.ts'
import { type DraftColumn, isCode, isCoordinate, isKeyName, withKey } from './guess-key.ts'
import type { Inferred } from './counted-texts.ts'

export type Draft = {
  readonly columns: readonly DraftColumn[]
  /** Columns of the source that are left out, and why. */
  readonly leftOut: readonly (readonly [name: string, why: string])[]
}

/** Bytes. The longest name of a column. */
const MAX_NAME = 63
/** Most distinct values of an enumeration. A single value proves nothing. */
const MIN_VALUES = 2
const MAX_VALUES = 12
/** Rows from which an enumeration can be inferred. */
const MIN_ROWS = 20

/** What a draft is made of: rows in a table of a session, with what their source says of them. */
export type Looked = Pick<Sample, 'primaryKey' | 'isAll'> & {
  readonly columns: readonly (SampleColumn & Pick<SampledColumn, 'position'>)[]
  readonly tried: Tried
  /** Columns come in the order of the source: none may be left out. */
  readonly isInOrder?: boolean
}

/** Infers a dataset's columns from its first rows. @param dataset its name, which may indicate what its rows describe */
export async function draftOf(looked: Looked, dataset: string, session: SqlSession): Promise<Draft> {
  const { tried, isInOrder = false } = looked
  const leftOut: (readonly [string, string])[] = []
  const names = new Set<string>()
  const named = looked.columns.flatMap((column, index) => {
    const wanted = contractName(column.position === undefined ? column.name : nameAt(column), index)
    const isTaken = names.has(plain(wanted))
    if (isTaken && column.position === undefined && !isInOrder) {
      leftOut.push([column.name, 'another column has the same name but for case, spaces, `-` and `_`'])
      return []
    }
    const name = isTaken ? freeName(wanted, names) : wanted
    names.add(plain(name))
    return [{ name, column, index }]
  })
  const asked = named.map(({ name, column, index }): AskedColumn => ({
    name,
    index,
    known: column.type === undefined ? undefined : landed(column, column.type),
    narrow: (inferred) => fitting(name, inferred),
  }))
  const found = await chooseTypes(asked, tried, session)
  const columns = named.flatMap(({ name, column }, at) => {
    const texts = found[at]
    if (texts === undefined) return []
    // What trailing delimiters of a header and its rows make.
    if (column.name.trim() === '' && texts.presentCount === 0 && tried.rowCount > 0 && !isInOrder) return []
    return [draftColumn(looked, { column, name, dataset, texts })]
  })
  return { columns: withKey(columns, looked, dataset), leftOut }
}

type ColumnToDraft = {
  readonly column: Looked['columns'][number]
  readonly name: string
  readonly dataset: string
  readonly texts: ColumnTexts
}

function draftColumn(
  { tried, isAll, isInOrder = false }: Looked,
  { column, name, dataset, texts: found }: ColumnToDraft,
): DraftColumn {
  const { name: from, position } = column
  const { inferred, presentCount, distinctCount } = found
  const present = found.texts.map(({ text }) => text)
  const emptyCount = tried.rowCount - presentCount
  const personal = inferred.type === 'BOOLEAN' ? undefined : guessPersonal({ name, dataset }, present)
  const isComplete = emptyCount === 0 && tried.rowCount > 0
  const isText = column.type === undefined || column.type === 'VARCHAR'
  return {
    name,
    // By its place no column needs a name of the source.
    from: isInOrder ? name : from,
    ...(position === undefined ? {} : { position }),
    inferred,
    emptyCount,
    distinctCount,
    // A row outside of the sample may lack it: that must not reject the row.
    isRequired: (isComplete && isAll) || isSurelyThere(column, inferred),
    isKey: false,
    isUnique: isComplete && distinctCount === tried.rowCount,
    personal,
    values: personal === undefined && isText ? valuesOf(found) : undefined,
    minimum: isKeyName(name) || isCoordinate(name) ? undefined : minimumOf(found),
  }
}

/** The name of a field that is taken by its position, without characters that are none of a name. */
function nameAt({ name }: SampleColumn): string {
  return name.replaceAll(/\p{C}+/gu, ' ').slice(0, MAX_NAME)
}

function freeName(name: string, taken: ReadonlySet<string>): string {
  for (let number = 2; ; number++) {
    const tried = `${bounded(name, MAX_NAME - 5)}_${number}`
    if (!taken.has(plain(tried))) return tried
  }
}

/** Converts a name to a valid column name: lower case, with `_` between words. */
function contractName(from: string, index: number): string {
  const words = from
    .normalize('NFKC')
    .replaceAll(/(\p{Ll}|\p{N})(\p{Lu})/gu, '$1_$2')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, '_')
    .replaceAll(/^_+|_+$/g, '')
  const named = /^\p{L}/u.test(words) ? words : words === '' ? `column_${index + 1}` : `c_${words}`
  return bounded(named, MAX_NAME)
}

/** The begin of a name, of so many bytes: databases count bytes. */
function bounded(name: string, mostBytes: number): string {
  let bytes = 0
  const kept = Array.from(name).filter((letter) => (bytes += Buffer.byteLength(letter)) <= mostBytes)
  return kept.join('').replace(/_+$/, '')
}

/** The form of column names for comparison. */
export const plain = (name: string) => name.toLowerCase().replaceAll(/[\s_-]/g, '')

/** The meaning of a name takes precedence over the digits: other rows may have leading zeros, or more digits. */
function fitting(name: string, inferred: Inferred): Inferred {
  if (isCode(name) && /^(?:BIGINT|DECIMAL|DOUBLE)/.test(inferred.type)) return withoutNumber(inferred)
  return isCoordinate(name) && inferred.type.startsWith('DECIMAL') ? { ...inferred, type: 'DOUBLE' } : inferred
}

function withoutNumber({ nulls }: Inferred): Inferred {
  return { type: 'VARCHAR', ...(nulls === undefined ? {} : { nulls }), note: 'digits, but no number' }
}

/** A text that is not NULL may be empty, and so may a list: a refine treats those as missing. */
function isSurelyThere({ isNeverNull = false }: SampleColumn, { type }: Inferred): boolean {
  return isNeverNull && type !== 'VARCHAR' && !type.endsWith('[]')
}

/** Database types of times without a zone. */
const LOCAL_TIME = /^(?:timestamp(?:\(\d\))?(?: without time zone)?|(?:small)?datetime2?(?:\(\d\))?)$/i

function landed({ sourceType = '' }: SampleColumn, type: string): Inferred {
  const note = LOCAL_TIME.test(sourceType) ? { note: 'without an offset: taken for UTC' } : {}
  return { type: landedType(type), ...note }
}

/** Maps the type of a landed table to a type of a contract. */
function landedType(type: string): string {
  if (/^(?:BOOLEAN|DATE|TIME|DOUBLE|BIGINT|INTEGER|DECIMAL\(\d+,\d+\)|VARCHAR(?:\[\])?)$/.test(type)) return type
  if (/^(?:U?TINYINT|U?SMALLINT)$/.test(type)) return 'INTEGER'
  if (type === 'UINTEGER') return 'BIGINT'
  if (/^(?:FLOAT|REAL)$/.test(type)) return 'DOUBLE'
  return type.startsWith('TIMESTAMP') ? 'TIMESTAMP WITH TIME ZONE' : 'VARCHAR'
}

function valuesOf({
  texts,
  inferred: { type },
  presentCount,
  distinctCount,
}: ColumnTexts): readonly string[] | undefined {
  const values = texts.map(({ text }) => text)
  const isFew =
    type === 'VARCHAR' &&
    presentCount >= MIN_ROWS &&
    distinctCount >= MIN_VALUES &&
    distinctCount <= MAX_VALUES &&
    distinctCount * 4 <= presentCount
  const isShort = values.every((value) => value.length <= 40)
  return isFew && isShort ? values.sort() : undefined
}

/** A column that was never negative is usually never meant to be. */
function minimumOf({ presentCount, isEverNegative, inferred }: ColumnTexts): number | undefined {
  const { type, decimal } = inferred
  if (decimal !== undefined || presentCount === 0 || !/^(?:BIGINT|INTEGER|DOUBLE|DECIMAL)/.test(type)) return undefined
  return isEverNegative ? undefined : 0
}

/** Names of columns that hold personal data, in a few languages; any words may precede them. */
const NAMES = new RegExp(
  `^(?:.*_)?(?:${[
    '(?:first|last|full|middle|maiden|sur|given|family|customer|user|contact|holder|display|birth|nick)_?names?',
    'vorname|nachname|kunde|kundenname|prenom|nombre|apellidos?|username|initials',
    'e_?mails?(?:_?address)?|(?:tele)?phone(?:_?(?:no|number))?|mobile(?:_?(?:no|number))?|tel|telefon(?:nummer)?|handy|fax',
    'address(?:_?line)?_?\\d?|adresse|anschrift|street(?:_?(?:name|address|no|number))?|strasse|straße|hausnummer',
    'zip(?:_?code)?|post(?:al)?_?code|plz|lat|lng|lon|latitude|longitude',
    '.*birth.*|dob|geburtsdatum|geburtstag|gender|sex|geschlecht|nationality|religion|salary|gehalt',
    'ssn|social_?security.*|tax_?id|passport.*|iban|credit_?card.*|card_?(?:no|number)|ip(?:_?address)?|password.*',
  ].join('|')})$`,
)
/** Tables of persons, in which a `name` is a person's name. */
const PEOPLE =
  /(?:^|_)(?:customers?|clients?|users?|people|persons?|employees?|staff|contacts?|members?|patients?|students?|teachers?|drivers?|authors?|subscribers?|guests?|kunden?|mitarbeiter|personen)$/

const E_MAIL = /^[^@\s]+@[^@\s]+\.[^@\s]+$/
const PHONE = /^(?:\+|00)\d[\d ()./-]{6,18}\d$|^\(?\d{3}\)?[ -]\d{3}[ -]\d{4}(?: ?x\d+)?$/
const IP = /^(?:\d{1,3}\.){3}\d{1,3}$/
const IBAN = /^[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,4})?$/

/** Share of texts from which a column is of a kind. */
const ENOUGH = 0.5

/**
 * Why a column seems to hold personal data; undefined where it does not. A heuristic: a user who knows the data has to
 * check it.
 * @param place the column and its dataset, by their names in the contract
 */
function guessPersonal(
  { name, dataset }: { readonly name: string; readonly dataset: string },
  texts: readonly string[],
): string | undefined {
  const shareOf = (pattern: RegExp) => texts.filter((text) => pattern.test(text)).length / Math.max(1, texts.length)
  const inside = personalFields({ name, dataset }, texts)
  if (inside.length > 0) return `${inside.join(', ')} in it`
  if (shareOf(E_MAIL) >= ENOUGH) return 'e-mail addresses'
  if (shareOf(IBAN) >= ENOUGH) return 'account numbers'
  if (shareOf(PHONE) >= ENOUGH) return 'telephone numbers'
  if (shareOf(IP) >= ENOUGH) return 'addresses of machines'
  if (name === 'name' && PEOPLE.test(dataset.toLowerCase())) return 'its name'
  return NAMES.test(name) ? 'its name' : undefined
}

/** Most fields named in a reason: enough as evidence. */
const MAX_FIELDS = 3

/** Fields of JSON texts that seem to be personal: nesting makes data no less personal. */
function personalFields(
  place: { readonly name: string; readonly dataset: string },
  texts: readonly string[],
): string[] {
  const values = new Map<string, string[]>()
  for (const text of texts) if (/^[[{]/.test(text)) collectFields(parsed(text), place.name, values)
  const found = [...values].filter(([path, those]) => {
    const name = path.slice(path.lastIndexOf('.') + 1).toLowerCase()
    return guessPersonal({ name, dataset: place.name }, those) !== undefined
  })
  return found.slice(0, MAX_FIELDS).map(([path]) => path)
}

/** Adds the scalars below a value, by path: `profile.address.zip`. */
function collectFields(value: unknown, path: string, values: Map<string, string[]>): void {
  if (Array.isArray(value)) {
    for (const item of value) collectFields(item, path, values)
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, inner] of Object.entries(value)) collectFields(inner, `${path}.${name}`, values)
  } else if (value !== null && path.includes('.')) {
    const those = values.get(path) ?? []
    those.push(typeof value === 'string' ? value : JSON.stringify(value))
    values.set(path, those)
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
