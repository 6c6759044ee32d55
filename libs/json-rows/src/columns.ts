import { plainName } from '@cinelake/csv'
import { RecordProblem } from './record-problem.ts'

/**
 * Columns. No database has wider tables (PostgreSQL 1,600, SQL Server 1,024: limits in their manuals), and every row gets a
 * cell for each: an object whose names are identifiers would take time and disk by the square of its size.
 */
export const MAX_COLUMNS = 2_000

/** The column that holds what is not known, as JSON. */
export const RESCUED = '_rescued'

/** Kinds of JSON values, as bits. */
export const KIND = { text: 1, number: 2, boolean: 4, array: 8, object: 16 } as const

/** What becomes of fields that nobody expected. */
export type DriftPolicy = 'evolve' | 'ignore' | 'rescue' | 'fail'

/** One field of the records: where its values go, and what was seen of it. */
export type Column = {
  readonly name: string
  /** Place in the file; -1 for a field that is left out, -2 for one that is rescued. */
  readonly index: number
  readonly isKnown: boolean
  /** All kinds of values that it had. */
  kinds: number
  /** Records that had it, with a value or null. */
  recordCount: number
}

/** What is kept of a column, to go on from in another process. */
export type ColumnState = readonly [name: string, index: number, kinds: number, recordCount: number]

export type ColumnRules = {
  /** The names that are expected, plain; undefined where nothing is: all are known then. */
  readonly known: ReadonlySet<string> | undefined
  readonly drift: DriftPolicy
}

/** The columns of a dataset in the order in which they were first seen. */
export type Columns = {
  readonly all: ReadonlyMap<string, Column>
  /** Those in the file. */
  readonly width: number
  readonly names: readonly string[]
  /** The column for a field; made when it is new. @throws {RecordProblem} too many */
  of(name: string): Column
  state(): ColumnState[]
}

export function createColumns({ known, drift }: ColumnRules, before: readonly ColumnState[] = []): Columns {
  const all = new Map<string, Column>()
  const names: string[] = []
  const knows = (name: string) => known === undefined || name === RESCUED || known.has(plainName(name))
  const place = (name: string, isKnown: boolean) => {
    if (!isKnown && drift === 'ignore') return -1
    return !isKnown && drift === 'rescue' ? -2 : names.push(name) - 1
  }
  for (const [name, index, kinds, recordCount] of before) {
    if (index >= 0) names[index] = name
    all.set(name, { name, index, isKnown: knows(name), kinds, recordCount })
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
      const isKnown = knows(name)
      const column = { name, index: place(name, isKnown), isKnown, kinds: 0, recordCount: 0 }
      all.set(name, column)
      return column
    },
    state: () => [...all.values()].map(({ name, index, kinds, recordCount }) => [name, index, kinds, recordCount]),
  }
}
