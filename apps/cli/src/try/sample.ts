/** The first rows of a dataset, whatever they come from. */
export type Sample = {
  /** What was found out about where they come from, for people. */
  readonly facts: readonly (readonly [what: string, found: string])[]
  readonly columns: readonly SampleColumn[]
  /** One cell per column; null for none. */
  readonly rows: readonly (readonly (string | null)[])[]
  readonly isAll: boolean
  /** Columns in key order, where the source knows. */
  readonly primaryKey?: readonly string[]
  /** The label of a window that such rows are of, where that is known. */
  readonly window?: string
  /** How to get to the next page, where that was found out. */
  readonly pagination?: object
}

export type SampleColumn = {
  /** As the source calls it. */
  readonly name: string
  /** The engine's type, where the source has types. */
  readonly type?: string
  /** The same in the source's own words. */
  readonly sourceType?: string
  /** Whether the source lets no row be without a value. */
  readonly isNeverNull?: boolean
}

/** A column's texts that are not empty. */
export function textsOf({ rows }: Pick<Sample, 'rows'>, column: number): string[] {
  return rows.flatMap((row) => {
    const text = row[column]?.trim() ?? ''
    return text === '' ? [] : [text]
  })
}

/** Records with names of their own as columns and rows; a record need not have all of the names. */
export function rowsOf(records: readonly ReadonlyMap<string, string | null>[]): Pick<Sample, 'columns' | 'rows'> {
  const names = [...new Set(records.flatMap((record) => [...record.keys()]))]
  return {
    columns: names.map((name) => ({ name })),
    rows: records.map((record) => names.map((name) => record.get(name) ?? null)),
  }
}
