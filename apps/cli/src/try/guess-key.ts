import type { Sample } from '@cinelake/source-kind'
import type { Inferred } from './counted-texts.ts'

/** A column of the draft. */
export type DraftColumn = {
  /** Name in the contract. */
  readonly name: string
  /** Name in the source. */
  readonly from: string
  /** The number of its field, where its name does not tell it from others. */
  readonly position?: number
  readonly inferred: Inferred
  readonly emptyCount: number
  readonly distinctCount: number
  /** Every row has a value: all rows were read, or the source guarantees it. */
  readonly isRequired: boolean
  readonly isKey: boolean
  /** Values are unique, and every row has one. */
  readonly isUnique: boolean
  /** Why it seems to be personal. */
  readonly personal: string | undefined
  /** The distinct values, if there are few. */
  readonly values: readonly string[] | undefined
  /** Lower bound, for numbers. */
  readonly minimum: number | undefined
}

/**
 * Marks the source's own key, or otherwise the column that seems to be it. A wrong key would lose rows, which count as
 * duplicates, so a column that may as well be a foreign key is not chosen.
 */
export function withKey(
  columns: readonly DraftColumn[],
  { primaryKey: known = [], isAll }: Pick<Sample, 'primaryKey' | 'isAll'>,
  dataset: string,
): DraftColumn[] {
  const keys = new Set(known)
  const guess = known.length > 0 ? undefined : guessedKey(columns, { dataset, isAll })
  const note = isAll ? {} : { note: 'unique in these rows: check it' }
  return columns.map((column) => {
    const asKey = { ...column, isKey: true, isRequired: true, minimum: undefined }
    if (keys.has(column.from)) return asKey
    return column === guess ? { ...asKey, inferred: { ...column.inferred, ...note } } : column
  })
}

function guessedKey(
  columns: readonly DraftColumn[],
  { dataset, isAll }: { readonly dataset: string; readonly isAll: boolean },
): DraftColumn | undefined {
  const unique = columns.filter(
    ({ isUnique, inferred: { type } }) => isUnique && !/^(?:DOUBLE|BOOLEAN)|\[\]$/.test(type),
  )
  const own = singularOf(dataset)
  const [first] = columns
  return (
    unique.find(({ name }) => name === 'id') ??
    unique.find(({ name }) => isKeyName(name) && name.startsWith(`${own}_`)) ??
    unique.find(({ name }) => isKeyWord(name)) ??
    unique.find((column) => isAll && column === first && isKeyName(column.name))
  )
}

// The meaning of column names in the form of contracts: lower case, with `_` between words.

const KEY_WORDS = 'id|uuid|guid|key|code|no|number|nr|sku|isbn|ean|slug'
const KEY_WORD = new RegExp(`^(?:${KEY_WORDS})$`)
const KEY_NAME = new RegExp(`^(?:.*_)?(?:${KEY_WORDS})$`)

/** A name that can only be an identifier of the rows. */
const isKeyWord = (name: string) => KEY_WORD.test(name)

/** A name of an identifier, of this table or of another. */
export const isKeyName = (name: string) => KEY_NAME.test(name)

/** Written in digits, but not a quantity; leading zeros matter. */
export const isCode = (name: string) =>
  /(?:^|_)(?:zip|zip_?code|post(?:al)?_?code|plz|phone(?:_?(?:no|number))?|telefon|tel|mobile(?:_?(?:no|number))?|fax|ssn|tax_?id|vat_?id|iban|isbn|ean|gtin|upc|account_?(?:no|number))$/.test(
    name,
  )

export const isCoordinate = (name: string) => /(?:^|_)(?:lat|lng|lon|latitude|longitude)$/.test(name)

/** `orders` → `order`, `entries` → `entry`; in lower case. */
function singularOf(name: string): string {
  const lower = name.toLowerCase()
  return lower.endsWith('ies') ? `${lower.slice(0, -3)}y` : lower.replace(/s$/, '')
}
