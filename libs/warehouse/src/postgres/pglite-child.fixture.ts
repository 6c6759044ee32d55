// Loads one version after the other and reports each, until it is killed. Run by pglite.test.ts.
import { createPgliteWarehouse } from './pglite.ts'
import { openPgliteDatabase } from '@cinelake/database/pglite'

await using database = await openPgliteDatabase(process.argv[2])
const warehouse = await createPgliteWarehouse(database)
const columns = ['id', 'version'].map((name) => ({ name, type: 'BIGINT', required: true }))
const table = { name: 'numbers', columns, primaryKey: ['id'] }

async function* rows(version: number) {
  yield Array.from({ length: 2000 + version }, (_, id) => ({ id, version }))
}

const first = ((await warehouse.loaded({ name: 'numbers' }))?.version ?? -1) + 1
for (let version = first; ; version += 1) {
  await warehouse.replace(table, rows(version), { task: 't', version })
  process.send?.(version)
}
