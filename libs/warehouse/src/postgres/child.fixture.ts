// Loads a table, says when the rows are on their way, and then waits for more until it is killed. Run by failures.test.ts.
import { manyTitles, titles } from '../contract/given.fixture.ts'
import { openPostgres } from './postgres.fixture.ts'
import { createPostgresWarehouse } from './postgres.ts'

const database = await openPostgres(process.argv[2] ?? '')
const warehouse = await createPostgresWarehouse(database)

async function* rows() {
  yield manyTitles(5000)
  process.send?.('on their way')
  await new Promise(() => setInterval(() => {}, 1000))
}

await warehouse.replace(titles, rows(), { task: 'killed', version: 2 })
