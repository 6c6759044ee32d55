import { ConfigError, type Window } from '@cinelake/core'

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

/** What every preview is given; kinds want more in addition. */
export type PreviewDeps = {
  /** Rows at most. */
  readonly limit: number
  readonly signal: AbortSignal
  /** Scratch. */
  readonly directory: string
  /** How numbers are written for people. */
  readonly format: { readonly count: (count: number) => string; readonly bytes: (bytes: number) => string }
  /** The window that is looked at: asked for, or the last complete one. @throws {ConfigError} terminal: there is no such window */
  readonly window: () => { readonly window: Window; readonly isAskedFor: boolean }
  /** The first rows of a CSV file, read as a dataset of the source is. */
  readonly readCsv: (
    file: { readonly name: string; readonly file: string },
    dataset: string,
    limit: number,
  ) => Promise<Sample>
}

/** A sample with what was found out before it was read. */
export function withFacts(facts: Sample['facts'], sample: Sample): Sample {
  return { ...sample, facts: [...facts, ...sample.facts] }
}

/** What the platform writes itself says nothing about the source. */
export function withoutCsv(sample: Sample): Sample {
  return { ...sample, facts: sample.facts.filter(([what]) => what !== 'written') }
}

/** Records with names of their own as columns and rows; a record need not have all of the names. */
export function rowsOf(records: readonly ReadonlyMap<string, string | null>[]): Pick<Sample, 'columns' | 'rows'> {
  const names = [...new Set(records.flatMap((record) => [...record.keys()]))]
  return {
    columns: names.map((name) => ({ name })),
    rows: records.map((record) => names.map((name) => record.get(name) ?? null)),
  }
}

/** Nothing is there that could be looked at. @param name `<source>/<dataset>` */
export function nothing(name: string, expected: string, instead = 'try another file'): ConfigError {
  return new ConfigError('there is nothing to look at', [`${name}: expected ${expected}, got none; ${instead}`])
}
