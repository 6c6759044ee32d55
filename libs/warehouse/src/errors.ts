import { defineErrors, terminal, TerminalError, type ErrorContext } from '@cinelake/core'
import { DatabaseUnavailableError } from '@cinelake/database'

// A lost connection is one error for all that use the database.
export { DatabaseUnavailableError as WarehouseUnavailableError }

/** The database rejects these rows or this table permanently. Never names the row: values may be personal data. */
export class WarehouseRefusedError extends TerminalError {
  readonly code = 'WAREHOUSE_REFUSED'

  constructor(table: string, problem: string, remedy: string, context: ErrorContext = {}, options?: ErrorOptions) {
    super(
      `the warehouse refused the rows [table=${table}]: ${problem}; the table is as it was before; ${remedy}`,
      { table, ...context },
      options,
    )
  }
}

export const warehouseErrors = defineErrors({
  /** The table is another pipeline's, or a person's: not overwritten. @param owner undefined: no pipeline made it */
  WAREHOUSE_TABLE_TAKEN: terminal((table: string, pipeline: string, owner: string | undefined) => {
    const found = owner === undefined ? 'one that no pipeline made' : `one of pipeline ${owner}`
    const unlessUsed = owner === undefined ? 'rename or drop that table' : `drop it, if ${owner} is not run any more`
    return [
      `the table is not this pipeline's [table=${table}, pipeline=${pipeline}]: expected a table of pipeline ${pipeline} or none, ` +
        `got ${found}; nothing was changed; serve it under another name (\`as\` under \`serve\`) or in another schema ` +
        `(\`schema\` in pipeline.yaml), or ${unlessUsed}`,
      { table, pipeline, ...(owner === undefined ? {} : { owner }) },
    ]
  }),
})

/** What to do about a load that the database refuses. */
export const REMEDY = {
  value: "make the contract's or the model's column type wide enough, or reject such rows by a rule",
  key: 'make the key of the contract or model one that is unique, or drop duplicates in the model',
  required: 'reject rows without a value (`required: true` in the contract) or make the column optional',
  permission: "grant the service what it needs on the schemas mart and loader, and on the pipeline's own",
  other: 'see what the database says',
}

/** Problems with a row in better words than the database's, which may quote a value. */
export const ROW_PROBLEM = {
  textTooLong: { problem: 'a text is longer than its column allows', remedy: REMEDY.value },
  outOfRange: { problem: 'a number is out of the range of its column', remedy: REMEDY.value },
  impossibleTime: { problem: 'a date or time is not one that the database can hold', remedy: REMEDY.value },
  otherType: { problem: 'a value is not of its column’s type', remedy: REMEDY.value },
  missing: { problem: 'a column that must have a value has none', remedy: REMEDY.required },
  repeatedKey: { problem: 'the primary key is not unique', remedy: REMEDY.key },
  forbidden: { problem: 'the service has no permission for it', remedy: REMEDY.permission },
}

export function unknownTypeError(table: string, { name, type }: { readonly name: string; readonly type: string }) {
  return new WarehouseRefusedError(
    table,
    `column ${name} is ${type}, for which there is no column type`,
    'cast it in the model or leave it out with `exclude` where the pipeline serves the table',
    { column: name, type },
  )
}

export function nulCharacterError(table: string, column: string): WarehouseRefusedError {
  return new WarehouseRefusedError(
    table,
    `a text in column ${column} holds the character U+0000, which the database cannot store`,
    'reject such rows by a rule of the contract, or remove the character in the model',
    { column },
  )
}

/** Suggestions for an unknown name in a query. */
export type UnknownName = { readonly kind: 'table' | 'column'; readonly name: string }

/** A query that an analyst typed does not run, or is not one that reads. */
export class WarehouseQueryError extends TerminalError {
  readonly code = 'WAREHOUSE_QUERY_INVALID'
  /** Why, without the place. */
  readonly problem: string
  /** Characters from 1. */
  readonly position: number | undefined
  /** The name that the database does not know. */
  readonly unknown: UnknownName | undefined

  constructor(
    problem: string,
    position: number | undefined,
    { unknown, ...options }: ErrorOptions & { readonly unknown?: UnknownName | undefined } = {},
  ) {
    super(
      `the query does not run${position === undefined ? '' : ` [position=${position}]`}: ${problem}`,
      position === undefined ? {} : { position },
      options,
    )
    this.problem = problem
    this.position = position
    this.unknown = unknown
  }

  static notAQuery(): WarehouseQueryError {
    return new WarehouseQueryError(
      'expected a query (SELECT, VALUES or WITH … SELECT), got a statement without a result',
      undefined,
    )
  }

  static tooLong(timeoutMs: number, options?: ErrorOptions): WarehouseQueryError {
    return new WarehouseQueryError(
      `it was stopped, since it took longer than a query may (${timeoutMs / 1000} s): ask for fewer rows, allow more time, or let a model compute it once a day`,
      undefined,
      options,
    )
  }
}
