import { plainName } from '@cinelake/csv'
import { isObject, type JsonObject, type JsonValue } from '@cinelake/json-rows'
import type { CheckedColumn } from '@cinelake/pipeline'
import type { FieldNames } from './record.ts'

/** A field of the objects at one place: the columns that name it, and its own fields that columns name. */
type Field = {
  /** Columns with the position of the name among their spellings, and whether it is spelled the same. */
  readonly claims: readonly { readonly column: number; readonly rank: number }[]
  readonly below: Node | undefined
}
type Node = { readonly prefix: string; readonly fields: Map<string, Field> }

/** Names that are told of a file. */
const MOST_UNKNOWN = 100

/** Two fields of a record that are the same column. */
export class FieldTwice extends Error {}

/**
 * Finds the values of a contract's columns in objects: a column names a field, or by dots one of an object within
 * (`profile.address.city`). Names are compared as those in a CSV header; each record may spell them in its own way.
 */
export class ColumnFinder {
  readonly #columns: readonly CheckedColumn[]
  readonly #spellings: readonly (readonly string[])[]
  readonly #root: Node
  readonly #unknown = new Set<string>()
  readonly #found: boolean[]

  constructor(columns: readonly CheckedColumn[]) {
    this.#columns = columns
    this.#spellings = columns.map(({ reading }) => reading.from.map(plainName))
    this.#root = { prefix: '', fields: new Map() }
    this.#found = columns.map(() => false)
  }

  get names(): FieldNames {
    return { found: this.#found, unknown: [...this.#unknown] }
  }

  /**
   * @returns for each column its value; undefined where the record has none
   * @throws {FieldTwice}
   */
  find(record: JsonObject): (JsonValue | undefined)[] {
    const values: (JsonValue | undefined)[] = Array<undefined>(this.#columns.length).fill(undefined)
    const ranks: number[] = Array<number>(this.#columns.length).fill(Infinity)
    this.#visit(record, this.#root, values, ranks)
    return values
  }

  #visit(object: JsonObject, node: Node, values: (JsonValue | undefined)[], ranks: number[]): void {
    for (const name in object) {
      let field = node.fields.get(name)
      if (field === undefined) {
        field = this.#fieldOf(node, name)
        // Objects whose names are values would fill the memory.
        if (node.fields.size < 10_000) node.fields.set(name, field)
      }
      const value = object[name] ?? null
      for (const { column, rank } of field.claims) {
        const before = ranks[column] ?? Infinity
        if (rank === before) {
          const known = this.#columns[column]?.name ?? ''
          throw new FieldTwice(`two fields that are both the column \`${known}\``)
        }
        this.#found[column] = true
        if (rank > before) continue
        ranks[column] = rank
        values[column] = value
      }
      if (field.below !== undefined && isObject(value)) this.#visit(value, field.below, values, ranks)
      else if (field.claims.length === 0 && this.#unknown.size < MOST_UNKNOWN) this.#unknown.add(node.prefix + name)
    }
  }

  #fieldOf({ prefix }: Node, name: string): Field {
    const own = prefix + name
    const plain = plainName(own)
    const claims = this.#spellings.flatMap((spellings, column) => {
      const at = spellings.indexOf(plain)
      if (at < 0) return []
      // Of two that differ in case or blanks the one that is spelled exactly so is meant.
      const isExact = this.#columns[column]?.reading.from.includes(own) === true
      return [{ column, rank: 2 * at + (isExact ? 0 : 1) }]
    })
    const isAbove = this.#spellings.some((spellings) => spellings.some((one) => one.startsWith(`${plain}.`)))
    return { claims, below: isAbove ? { prefix: `${own}.`, fields: new Map() } : undefined }
  }
}
