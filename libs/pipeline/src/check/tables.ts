import type { Place, Problems } from '@cinelake/config-text'
import type { SqlTyper } from '../sql-typer.ts'
import type { RefinedTable } from './personal.ts'

/** The platform's column of every refined dataset, beside its contract's: the start of the window in which the row landed. */
export const WINDOW_COLUMN = { name: '_window', type: 'TIMESTAMP WITH TIME ZONE' } as const

/** The places of a table's columns: of each, and of the whole list. */
export type TablePlaces = { readonly place: Place; readonly columns: ReadonlyMap<string, Place> }

/** The refined tables of a pipeline, as they are registered. Names are compared without case, as in SQL. */
export class Tables {
  readonly typer: SqlTyper | undefined
  /** The places of tables and their columns, by the table's name. */
  readonly places = new Map<string, TablePlaces>()
  readonly #problems: Problems
  readonly #claimed = new Map<string, { readonly name: string; readonly place: Place }>()
  readonly #usable = new Map<string, RefinedTable>()
  readonly #used = new Map<string, string>()

  constructor(typer: SqlTyper | undefined, problems: Problems) {
    this.typer = typer
    this.#problems = problems
  }

  /** Reserves a name for a table. @returns false if it is taken, which has been reported */
  claim(name: string, place: Place): boolean {
    const other = this.#claimed.get(name.toLowerCase())
    if (other !== undefined) {
      const { file, line } = other.place
      this.#problems.error(
        place,
        `the table \`${name}\` is made twice: also at ${file}:${line}`,
        'rename one of the two; names are compared without case',
      )
      return false
    }
    this.#claimed.set(name.toLowerCase(), { name, place })
    return true
  }

  /** Records the places of a table's columns. */
  placed(table: string, place: Place, columns: ReadonlyMap<string, Place>): void {
    this.places.set(table, { place, columns })
  }

  /** Registers a table's columns. @returns whether queries over it can be typed */
  async add(table: RefinedTable, isWhole: boolean): Promise<boolean> {
    if (!isWhole) return false
    this.#usable.set(table.name.toLowerCase(), table)
    await this.typer?.createTable(table.name, table.columns)
    return true
  }

  /**
   * Registers a table of another pipeline, under `pipeline.table`.
   * @param table undefined if its columns are not known
   */
  async use(name: string, table: RefinedTable | undefined): Promise<void> {
    this.#used.set(name.toLowerCase(), name)
    if (table !== undefined) await this.add(table, true)
  }

  /** The name as `pipeline.table` of a table of another pipeline that this one uses. */
  usedName(name: string): string | undefined {
    return this.#used.get(name.toLowerCase())
  }

  get usedNames(): string[] {
    return [...this.#used.values()]
  }

  /** A table whose columns are known. */
  usable(name: string): RefinedTable | undefined {
    return this.#usable.get(name.toLowerCase())
  }

  /** The name as spelled in the table's definition; undefined if there is no such table, valid or not. */
  nameOf(name: string): string | undefined {
    return this.#claimed.get(name.toLowerCase())?.name
  }

  get names(): string[] {
    return [...this.#claimed.values()].map(({ name }) => name)
  }
}
