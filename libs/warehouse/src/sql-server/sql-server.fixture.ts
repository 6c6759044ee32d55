import { silentLog } from '@cinelake/core'
import { createMssqlWarehouse } from './sql-server.ts'
import { openMssqlDatabase, type MssqlDatabase } from '@cinelake/database/sql-server'
import type { Warehouse } from '../warehouse.ts'
import type { AzureCredential } from '@cinelake/database'

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
