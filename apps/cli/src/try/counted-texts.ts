/** The parse options of a column, in the words of `columns`. */
export type Reading = {
  readonly formats?: readonly string[]
  readonly language?: string
  readonly decimal?: ',' | 'any'
  readonly grouping?: 'indian' | 'any'
  readonly negatives?: readonly ('parentheses' | 'trailing')[]
  readonly suffixes?: Readonly<Record<string, number>>
  readonly percentOf?: number
  readonly extract?: string
  readonly separators?: readonly string[]
  readonly nulls?: readonly string[]
}

/** The type of a column's texts, in the engine's terms, and the parse options that it needs. */
export type Inferred = Reading & {
  readonly type: string
  /** Texts that are not of the type: their rows would be rejected. */
  readonly misfitCount?: number
  /** For display. */
  readonly note?: string
}

/** A distinct text of a column, and the number of its rows. */
export type CountedText = { readonly text: string; readonly count: number }

/** Share of the texts that a type has to fit to be tried on all of them. */
const PLAUSIBLE = 0.5

/** Whether so many of the rows' texts are of a kind that it may be the column's. */
export function isMostly(texts: readonly CountedText[], is: (text: string) => boolean): boolean {
  return texts.length > 0 && weightOf(texts.filter(({ text }) => is(text))) >= weightOf(texts) * PLAUSIBLE
}

export function weightOf(texts: readonly CountedText[]): number {
  return texts.reduce((sum, { count }) => sum + count, 0)
}
