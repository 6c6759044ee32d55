import { plainName } from '@cinelake/csv'

/** Why a record cannot become a row, as text without values. */
export class RecordProblem extends Error {
  readonly expected: string
  readonly got: string
  /** The setting in the pipeline's text that would make it one, if there is one. */
  readonly remedy: string | undefined

  constructor(expected: string, got: string, remedy?: string) {
    super(`expected ${expected}, got ${got}`)
    this.expected = expected
    this.got = got
    this.remedy = remedy
  }
}

/** Why one record cannot become a row, though others like it can: a value in it, not the settings. */
export class RecordReject extends RecordProblem {}

/**
 * Maximum number of columns. No database has wider tables (PostgreSQL 1,600, SQL Server 1,024: limits in their manuals), and every
 * row gets a cell for each: an object whose names are identifiers would take time and disk quadratic in its size.
 */
export const MAX_COLUMNS = 2_000

/** The column that holds unexpected fields, as JSON. */
export const RESCUED = '_rescued'

/** Kinds of JSON values, as bits. */
export const KIND = { text: 1, number: 2, boolean: 4, array: 8, object: 16 } as const

/** How unexpected fields are handled. */
export type DriftPolicy = 'evolve' | 'ignore' | 'rescue' | 'fail'

/** One field of the records: the column its values go to, and statistics about it. */
export type Column = {
  readonly name: string
  /** Index in the file; -1 for a field that is skipped, -2 for one that is rescued. */
  readonly index: number
  readonly isKnown: boolean
  /** Whether records spell its name differently. */
  isShared: boolean
  /** All kinds of values seen. */
  kinds: number
  /** Records that had it, with a value or null. */
  recordCount: number
}

export type ColumnRules = {
  /** The expected names, normalized; undefined if no names are declared: every field is then a column. */
  readonly known: ReadonlySet<string> | undefined
  readonly drift: DriftPolicy
  /** Normalized spellings with the name of the one column that they are expected for: its values share a column. */
  readonly spellings?: ReadonlyMap<string, string> | undefined
}

/** The columns of a dataset in the order in which they were first seen. */
export type Columns = {
  /** By name; a column that is spelled differently is there under each of its spellings. */
  readonly all: ReadonlyMap<string, Column>
  /** The columns in the file. */
  readonly width: number
  readonly names: readonly string[]
  /** The column for a field; created for a new field. @throws {RecordProblem} too many */
  of(name: string): Column
}

/** @param known the expected names, normalized */
export function isKnownName(name: string, known: ReadonlySet<string>): boolean {
  return name === RESCUED || known.has(plainName(name))
}

export function createColumns({ known, drift, spellings }: ColumnRules): Columns {
  const all = new Map<string, Column>()
  const names: string[] = []
  /** By the name that is expected. */
  const shared = new Map<string, Column>()
  const place = (name: string, isKnown: boolean) => {
    if (!isKnown && drift === 'ignore') return -1
    return !isKnown && drift === 'rescue' ? -2 : names.push(name) - 1
  }
  return {
    all,
    names,
    get width() {
      return names.length
    },
    of(name) {
      const seen = all.get(name)
      if (seen !== undefined) return seen
      if (all.size >= MAX_COLUMNS) {
        throw new RecordProblem(
          `at most ${MAX_COLUMNS} fields in all records together`,
          'more: the names in one of their objects are values, such as identifiers',
          'keep that object as `json` (`flatten`)',
        )
      }
      if (!name.isWellFormed()) throw new RecordReject('names of whole characters', 'half of a surrogate pair in one')
      const expected = spellings?.get(plainName(name))
      const same = expected === undefined ? undefined : shared.get(expected)
      if (same !== undefined) {
        same.isShared = true
        all.set(name, same)
        return same
      }
      const isKnown = known === undefined || isKnownName(name, known)
      const column = { name, index: place(name, isKnown), isKnown, isShared: false, kinds: 0, recordCount: 0 }
      if (expected !== undefined) shared.set(expected, column)
      all.set(name, column)
      return column
    },
  }
}
