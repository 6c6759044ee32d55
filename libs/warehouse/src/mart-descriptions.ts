import type { MartDescription } from './warehouse.ts'

/** A column of the mart as the catalogues of both databases are asked for it; ordered by table, then place. */
export type DescribedRow = {
  readonly schema: string
  readonly table: string
  readonly about: string | null
  readonly column: string
  readonly type: string
  readonly required: boolean
  readonly is_key: boolean
  readonly comment: string | null
}

export function descriptionsOf(rows: readonly DescribedRow[]): MartDescription[] {
  const tables = Map.groupBy(rows, ({ schema, table }) => JSON.stringify([schema, table]))
  return [...tables.values()].flatMap((columns) => {
    const [first] = columns
    if (first === undefined) return []
    return [
      {
        schema: first.schema,
        name: first.table,
        description: orNone(first.about),
        columns: columns.map(({ column, type, required, is_key: isKey, comment }) => ({
          name: column,
          type,
          required,
          isKey,
          description: orNone(comment),
        })),
      },
    ]
  })
}

function orNone(text: string | null): string | undefined {
  return text === null || text === '' ? undefined : text
}
