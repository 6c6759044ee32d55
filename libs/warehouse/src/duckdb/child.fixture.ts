// Loads a table, says when the rows are on their way, and then waits for more until it is killed. Run by duckdb.test.ts.
import { manyTitles, titles } from '../contract/given.fixture.ts'
import { openDuckDbWarehouse } from './duckdb.ts'

const warehouse = await openDuckDbWarehouse(process.argv[2] ?? '')

async function* rows() {
  yield manyTitles(30_000, 100)
  process.send?.('on their way')
  await new Promise(() => setInterval(() => {}, 1000))
}

await warehouse.replace(titles, rows(), { task: 'killed', version: 2 })
