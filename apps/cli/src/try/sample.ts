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
  /** How to get to the next page, where that was found out. */
  readonly pagination?: object
}

export type SampleColumn = {
  /** As the source calls it. */
  readonly name: string
  /** The engine's type, where the source has types. */
  readonly type?: string
}

/** A column's texts that are not empty. */
export function textsOf({ rows }: Pick<Sample, 'rows'>, column: number): string[] {
  return rows.flatMap((row) => {
    const text = row[column]?.trim() ?? ''
    return text === '' ? [] : [text]
  })
}
