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
  /**
   * Another pipeline has a table of this name in this schema, or a person made one: it is not overwritten.
   * @param owner undefined: no pipeline made it
   */
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
