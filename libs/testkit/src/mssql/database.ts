import { PGlite } from '@electric-sql/pglite'
import { CATALOGUE } from './catalogue.ts'
import type { ResultColumn, ResultType, ResultValue } from './tokens.ts'

export type Answer = {
  readonly columns: readonly ResultColumn[]
  readonly rows: readonly (readonly ResultValue[])[]
  /** Rows written, or returned. */
  readonly rowCount: number
}

/** A column of a query that was not run. */
export type Described = {
  readonly name: string
  readonly tableId: number
  readonly columnId: number
  readonly typeId: number
  readonly modifier: number
}

/** The embedded PostgreSQL behind the endpoint: one thing at a time; a transaction has it for itself. */
export class EmbeddedDatabase {
  readonly #pglite: PGlite
  #turn: Promise<void> = Promise.resolve()

  private constructor(pglite: PGlite) {
    this.#pglite = pglite
  }

  static async start(): Promise<EmbeddedDatabase> {
    const pglite = await PGlite.create()
    await pglite.exec(`SET TIME ZONE 'UTC'; ${CATALOGUE}`)
    return new EmbeddedDatabase(pglite)
  }

  async close(): Promise<void> {
    await this.#pglite.close()
  }

  /** Waits for a turn. @returns ends it */
  async takeTurn(): Promise<() => void> {
    const before = this.#turn
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#turn = before.then(async () => await promise)
    await before
    return resolve
  }

  async exec(sql: string): Promise<void> {
    await this.#pglite.exec(sql)
  }

  async query(sql: string, parameters: readonly unknown[] = []): Promise<Answer> {
    const { fields, rows, affectedRows } = await this.#pglite.query<ResultValue[]>(sql, [...parameters], {
      rowMode: 'array',
      parsers: AS_TEXT,
    })
    const columns = fields.map(({ name, dataTypeID }) => ({ name, type: TYPES[dataTypeID] ?? 'nvarchar' }))
    return { columns, rows, rowCount: fields.length > 0 ? rows.length : (affectedRows ?? 0) }
  }

  async copy(into: string, lines: string): Promise<void> {
    await this.#pglite.query(`COPY ${into} FROM '/dev/blob'`, [], { blob: new Blob([lines]) })
  }

  /** Says what columns a query has, without running it. */
  async describe(sql: string): Promise<Described[]> {
    const text = Buffer.from(`\0${sql}\0\0\0`)
    const message = Buffer.concat([framed('P', text), framed('D', Buffer.from('S\0')), framed('S', Buffer.alloc(0))])
    const { messages } = await this.#pglite.execProtocol(message)
    const described = messages.find((one) => 'fields' in one && Array.isArray(one.fields))
    const fields = described !== undefined && 'fields' in described ? (described.fields as Field[]) : []
    return fields.map(({ name, tableID, columnID, dataTypeID, dataTypeModifier }) => ({
      name,
      tableId: tableID,
      columnId: columnID,
      typeId: dataTypeID,
      modifier: dataTypeModifier,
    }))
  }
}

type Field = {
  readonly name: string
  readonly tableID: number
  readonly columnID: number
  readonly dataTypeID: number
  readonly dataTypeModifier: number
}

/** A message of PostgreSQL's protocol. */
function framed(kind: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write(kind, 0, 'latin1')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/** Types by PostgreSQL's number; all others are sent as text. */
const TYPES: Readonly<Record<number, ResultType>> = {
  16: 'bit',
  17: 'varbinary',
  20: 'bigint',
  21: 'int',
  23: 'int',
  700: 'float',
  701: 'float',
  1114: 'datetime2',
}

const AS_TEXT = Object.fromEntries(
  [16, 17, 20, 21, 23, 25, 700, 701, 1042, 1043, 1082, 1083, 1114, 1184, 1700, 2950].map((type) => [
    type,
    (value: string) => value,
  ]),
)
