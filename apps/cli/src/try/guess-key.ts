import type { Inferred } from './infer-column.ts'
import { isKeyName, isKeyWord, singularOf } from './name-meaning.ts'
import type { Sample } from '@cinelake/source-kind'

/** A column of the draft. */
export type DraftColumn = {
  /** Name in the contract. */
  readonly name: string
  /** Name in the source. */
  readonly from: string
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
