import { isExactNumber, isObject, type JsonObject, type JsonValue } from './json-text.ts'
import { isKnownName, KIND, RecordProblem, RecordReject, RESCUED, type Column, type Columns } from './columns.ts'

/** Nesting of objects. Deeper nesting is a mistake, or an attack on the stack. */
export const MAX_DEPTH = 64

/** Nesting of lists and objects in a JSON cell: parsers descend into them recursively, on their stack. */
const MAX_LEVELS = 500

/** How objects are written, by field; `*` for all others. `dots`: a column for each of their fields. */
export type FlattenRules = Readonly<Record<string, 'dots' | 'json'>>

/** Cells by the index of their column; absent for a column that the row does not have. */
export type Cells = readonly (string | null | undefined)[]

/** A field at its path within records. Caches decisions, so that they are not made again for each record. */
type Field = {
  readonly key: string
  /** Its own name, prefixed with those of its parent objects; empty for the record itself. */
  readonly name: string
  readonly isJson: boolean
  readonly fields: Map<string, Field>
  /** Its fields in the order of the previous object: the next object mostly has the same. */
  readonly order: Field[]
  column: Column | undefined
}

type Row = {
  readonly columns: Columns
  readonly flatten: FlattenRules
  readonly cells: (string | null | undefined)[]
  rescued: Record<string, JsonValue> | undefined
}

/**
 * Converts records to the cells of rows. Objects within a record are flattened, their names joined by dots, unless the rules
 * keep them as JSON; arrays are JSON text; numbers keep their original text; null fields are null. New columns are added
 * to `columns`.
 * @returns a function of a record, and of cells for columns that the record itself does not have
 * @throws {RecordProblem} from that function
 */
export function createFlattener(columns: Columns, flatten: FlattenRules = {}) {
  const ofRecord = newField('', '', {})
  const ofFirst = newField('', '', {})
  return (record: JsonObject, first?: JsonObject): Cells => {
    const row: Row = { columns, flatten, cells: Array(columns.width), rescued: undefined }
    if (first !== undefined) fillCells(first, ofFirst, 0, row)
    fillCells(record, ofRecord, 0, row)
    if (row.rescued !== undefined) setCell(columns.of(RESCUED), jsonText(row.rescued), KIND.object, row)
    return row.cells
  }
}

function newField(key: string, name: string, flatten: FlattenRules): Field {
  const isJson = (flatten[name] ?? flatten['*']) === 'json'
  return { key, name, isJson, fields: new Map(), order: [], column: undefined }
}

function fillCells(object: JsonObject, parent: Field, depth: number, row: Row): void {
  if (depth > MAX_DEPTH) throw new RecordProblem(`at most ${MAX_DEPTH} objects within each other`, 'more')
  let place = 0
  // A prototype adds nothing: objects of JSON have no fields of their own in theirs.
  for (const key in object) {
    const expected = parent.order[place]
    const field = expected?.key === key ? expected : fieldOf(parent, key, place, row)
    const value = object[key] ?? null
    if (isFlattened(value, field)) fillCells(value, field, depth + 1, row)
    else setValue(field, value, row)
    place += 1
  }
}

function fieldOf(parent: Field, key: string, place: number, { flatten }: Row): Field {
  let field = parent.fields.get(key)
  if (field === undefined) {
    const name = parent.name === '' ? key : `${parent.name}.${key}`
    field = newField(key, name, flatten)
    parent.fields.set(key, field)
  }
  parent.order[place] = field
  return field
}

function isFlattened(value: JsonValue, { isJson }: Field): value is JsonObject {
  return typeof value === 'object' && !isJson && isObject(value) && Object.keys(value).length > 0
}

function setValue(field: Field, value: JsonValue, row: Row): void {
  setCell((field.column ??= row.columns.of(field.name)), cellOf(value), kindOf(value), row, value)
}

/** The cell of a value that is not flattened. @throws {RecordProblem} */
export function cellOf(value: JsonValue): string | null {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (value === null) return null
  return isExactNumber(value) ? value.rawJSON : jsonText(value)
}

/** Its `KIND`; zero for null. */
export function kindOf(value: JsonValue): number {
  if (typeof value === 'string') return KIND.text
  if (typeof value === 'number') return KIND.number
  if (typeof value === 'boolean') return KIND.boolean
  if (value === null) return 0
  if (isExactNumber(value)) return KIND.number
  return Array.isArray(value) ? KIND.array : KIND.object
}

function setCell(column: Column, cell: string | null, kind: number, row: Row, value: JsonValue = cell): void {
  column.kinds |= kind
  column.recordCount += 1
  if (column.index < 0) {
    // No information is lost by skipping a field without a value.
    if (column.index === -2 && value !== null) (row.rescued ??= newObject())[column.name] = value
    return
  }
  const before = row.cells[column.index]
  row.cells[column.index] = before === undefined ? wellFormed(cell, column) : oneOf(column, before, cell)
}

/** @throws {RecordReject} a text that no encoding can carry: half of a surrogate pair */
export function wellFormed(cell: string | null, { name }: Column): string | null {
  if (cell === null || cell.isWellFormed()) return cell
  throw new RecordReject('text of whole characters', `half of a surrogate pair in ${name}`)
}

/**
 * Of two fields of a record that become one column, the value: it may be there under another spelling, empty or the same.
 * @throws {RecordProblem} they are not spellings of one column
 * @throws {RecordReject} two values
 */
export function oneOf(column: Column, before: string | null, after: string | null): string | null {
  if (!column.isShared) throw sameColumnTwice(column)
  if (before === null || before === after) return wellFormed(after, column)
  if (after === null) return before
  throw new RecordReject('each field once', `two spellings of ${column.name} with different values`)
}

function sameColumnTwice({ name }: Column): RecordProblem {
  return new RecordProblem(
    'each field once',
    `two that both become the column ${name} when objects are flattened`,
    `keep the object before the last dot of ${name} as \`json\` (\`flatten\`)`,
  )
}

/** Without a prototype, so that a field may be called `__proto__`. */
const newObject = () => Object.create(null) as Record<string, JsonValue>

/** Maximum nesting depth of lists and objects in a JSON text. */
function levelsOf(text: string): number {
  let levels = 0
  let most = 0
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[{]|[\]}]/g)) {
    if (token === '[' || token === '{') most = Math.max(most, (levels += 1))
    else if (token === ']' || token === '}') levels -= 1
  }
  return most
}

function jsonText(value: JsonValue): string {
  try {
    const text = JSON.stringify(value)
    if (text.length <= 2 * MAX_LEVELS || levelsOf(text) <= MAX_LEVELS) return text
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
  }
  throw new RecordProblem(`arrays of a sensible depth, at most ${MAX_LEVELS}`, 'more')
}

/** Whether the rules know every field of these records: with `drift: fail`, their rows can land. */
export function areAllKnown(
  records: readonly JsonObject[],
  { known, flatten }: { readonly known: ReadonlySet<string>; readonly flatten: FlattenRules },
): boolean {
  /** Known fields, which most records have alike. */
  const seen = new Map<string, Field>()
  const knows = (object: JsonObject, parent: string, depth: number): boolean => {
    // No rows are made of objects that are nested deeper.
    if (depth > MAX_DEPTH) return false
    for (const key in object) {
      const name = parent === '' ? key : `${parent}.${key}`
      const field = seen.get(name) ?? newField(key, name, flatten)
      const value = object[key] ?? null
      if (isFlattened(value, field)) {
        if (!knows(value, name, depth + 1)) return false
      } else if (!seen.has(name)) {
        if (!isKnownName(name, known)) return false
        seen.set(name, field)
      }
    }
    return true
  }
  return records.every((record) => knows(record, '', 0))
}
