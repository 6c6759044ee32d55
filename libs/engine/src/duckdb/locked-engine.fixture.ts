import { writeSync } from 'node:fs'
import { createDuckDbEngine } from './duckdb.ts'

// Runs statements against locked engines in a process of its own, which one of them may end, and says what came of each.
const [scratchDirectory = '', first = '0', statements = '[]'] = process.argv.slice(2)
const list = JSON.parse(statements) as string[]

const open = async () => {
  const engine = await createDuckDbEngine({ memoryBytes: 64 * 1024 * 1024, threads: 1, scratchDirectory })
  return { engine, session: await engine.session() }
}
let opened = await open()

for (let index = Number(first); index < list.length; index++) {
  writeSync(1, `${JSON.stringify({ index })}\n`)
  const sql = list[index] ?? ''
  const said = await opened.session.rows(sql).then(
    (rows) => JSON.stringify(rows, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
  writeSync(1, `${JSON.stringify({ index, said: said.slice(0, 100_000) })}\n`)
  // What only reads leaves the engine as it was; others may spoil it for those after them.
  if (/^FROM (?!.*able_)|^SELECT content/.test(sql)) continue
  await opened.engine[Symbol.asyncDispose]()
  opened = await open()
}
