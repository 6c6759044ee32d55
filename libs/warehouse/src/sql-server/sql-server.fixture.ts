import { silentLog } from '@cinelake/core'
import mssql from 'mssql'
import { createMssqlWarehouse } from './sql-server.ts'
import { openMssqlDatabase, type MssqlDatabase } from '@cinelake/database/sql-server'
import type { Warehouse } from '../warehouse.ts'
import { parseServerAddress, type AzureCredential } from '@cinelake/database'

/** For addresses with a user: nothing is asked of Entra. */
export const noCredential: AzureCredential = async () => {
  throw new Error('no token was to be asked for')
}

type Opened = AsyncDisposable & { readonly warehouse: Warehouse; readonly database: MssqlDatabase<unknown> }

export async function openAt(url: string, credential = noCredential): Promise<Opened> {
  await using opening = new AsyncDisposableStack()
  const database = opening.use(await openMssqlDatabase({ url }, { credential, log: silentLog }))
  const warehouse = opening.use(await createMssqlWarehouse(database))
  const owned = opening.move()
  return { warehouse, database, [Symbol.asyncDispose]: async () => await owned.disposeAsync() }
}

/** What a program of an analyst reads, which connects by itself through the driver that most have. */
export async function readAsAnalyst<Row>(url: string, statement: string): Promise<readonly Row[]> {
  const { host, port, database, user, password, parameters } = parseServerAddress(url).address
  const encrypt = parameters.get('encrypt') !== 'false'
  const trustServerCertificate = parameters.get('trustServerCertificate') === 'true'
  const pool = new mssql.ConnectionPool({
    server: host,
    ...(port === undefined ? {} : { port }),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    database,
    options: { encrypt, trustServerCertificate },
  })
  try {
    await pool.connect()
    return (await pool.request().query<Row>(statement)).recordset
  } finally {
    await pool.close()
  }
}
