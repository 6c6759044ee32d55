import type pg from 'pg'

export type DescribedField = { readonly name: string; readonly typeId: number }

/**
 * The columns of one statement, as the server describes them without running it. The driver has no such request of its own.
 * @throws what the server says: of a statement that is none, or several
 */
export async function describeQuery(client: pg.ClientBase, sql: string): Promise<readonly DescribedField[]> {
  const request = new Describe(sql)
  client.query(request)
  return await request.done
}

class Describe implements pg.Submittable {
  readonly #sql: string
  readonly #done = Promise.withResolvers<readonly DescribedField[]>()
  #fields: readonly DescribedField[] = []

  constructor(sql: string) {
    this.#sql = sql
  }

  get done(): Promise<readonly DescribedField[]> {
    return this.#done.promise
  }

  // What follows is called by the driver.

  submit(connection: pg.Connection): void {
    connection.parse({ name: '', text: this.#sql, types: [] }, true)
    connection.describe({ type: 'S', name: '' }, true)
    connection.sync()
  }

  handleRowDescription({ fields }: { readonly fields: readonly { name: string; dataTypeID: number }[] }): void {
    this.#fields = fields.map(({ name, dataTypeID }) => ({ name, typeId: dataTypeID }))
  }

  handleReadyForQuery(): void {
    this.#done.resolve(this.#fields)
  }

  handleError(error: Error): void {
    this.#done.reject(error)
  }
}
