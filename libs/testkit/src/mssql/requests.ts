import { Cursor } from './cursor.ts'
import { readTypeInfo, readValue, type TdsValue } from './values.ts'

/** Statements that a client wants to be run. */
export type Statement = {
  readonly sql: string
  /** By name, without the `@`. */
  readonly parameters: ReadonlyMap<string, TdsValue>
}

/** Texts before a request that the server may need: of no interest here. */
function afterHeaders(payload: Buffer): Buffer {
  return payload.subarray(payload.readUInt32LE(0))
}

export function readBatch(payload: Buffer): Statement {
  return { sql: afterHeaders(payload).toString('utf16le'), parameters: new Map() }
}

/** The number of `sp_executesql`. Source: MS-TDS 2.2.6.6 (RPC request) */
const EXECUTE_SQL = 10
const BY_NUMBER = 0xffff

/** Only `sp_executesql`: statement, names and types of the parameters, values. */
export function readProcedure(payload: Buffer): Statement {
  const cursor = new Cursor(afterHeaders(payload))
  const nameUnits = cursor.u16()
  const name = nameUnits === BY_NUMBER ? cursor.u16() : cursor.utf16(nameUnits)
  cursor.skip(2)
  const values: [name: string, value: TdsValue][] = []
  while (cursor.left > 0) {
    const parameter = cursor.shortText().replace(/^@/, '')
    cursor.skip(1)
    values.push([parameter, readValue(cursor, readTypeInfo(cursor))])
  }
  const [sql, ...rest] = values
  if ((name !== EXECUTE_SQL && name !== 'sp_executesql') || typeof sql?.[1] !== 'string') {
    throw new Error(`the endpoint has no procedure ${name}`)
  }
  return { sql: sql[1], parameters: new Map(rest.slice(1)) }
}

export type TransactionRequest = 'begin' | 'commit' | 'rollback'

/** Source: MS-TDS 2.2.6.9 (Transaction Manager request) */
const TRANSACTION_REQUESTS: Readonly<Record<number, TransactionRequest>> = { 5: 'begin', 7: 'commit', 8: 'rollback' }

export function readTransactionRequest(payload: Buffer): TransactionRequest {
  const number = afterHeaders(payload).readUInt16LE(0)
  const request = TRANSACTION_REQUESTS[number]
  if (request === undefined) throw new Error(`the endpoint has no transaction request ${number}`)
  return request
}

const COLUMNS = 0x81
const ROW = 0xd1

/** The rows of a bulk insert, in the order of its columns. Source: MS-TDS 2.2.6.1 (bulk load) */
export function readBulk(payload: Buffer): TdsValue[][] {
  const cursor = new Cursor(payload)
  if (payload.length === 0 || cursor.u8() !== COLUMNS) return []
  const types = Array.from({ length: cursor.u16() }, () => {
    cursor.skip(6)
    const type = readTypeInfo(cursor)
    cursor.shortText()
    return type
  })
  const rows: TdsValue[][] = []
  while (cursor.left > 0 && cursor.u8() === ROW) rows.push(types.map((type) => readValue(cursor, type)))
  return rows
}
