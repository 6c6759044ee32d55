import type { Inferred } from './infer-column.ts'
import { isKeyName, isKeyWord, singularOf } from './name-meaning.ts'
import type { Sample } from '@cinelake/source-kind'

/** A column as the draft has it. */
export type DraftColumn = {
  /** In the contract. */
  readonly name: string
  /** In the source. */
  readonly from: string
  readonly inferred: Inferred
  readonly emptyCount: number
  readonly distinctCount: number
  /** There is a value in every row that there is: all were looked at, or the source sees to it. */
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

/**
 * Marks the source's own key, or else the column that seems to be it: a wrong one would cost rows, which count as
 * duplicates, so that a column which may as well lead to another table is none.
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
