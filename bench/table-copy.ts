import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { DuckDBDataChunk, DuckDBInstance, VARCHAR } from '@duckdb/node-api'
import pg from 'pg'
import { landRows } from '../libs/source-database/src/copy/land-rows.ts'
import { openDatabase } from '../libs/source-database/src/with-database.ts'
import { createDuckDbEngine } from '../libs/engine/src/duckdb/duckdb.ts'
import { createDirectoryLake } from '../libs/lake/src/directory/lake.ts'
import { findPostgres } from '../libs/testkit/src/postgres.ts'
import { medianOf, verdict } from './verdict.ts'

// Copies a table of PostgreSQL into the lake as the agent does, and streams the same SELECT into DuckDB's appender, in
// turns. Each run is a process of its own, so that its time, CPU and memory are its own; both load the agent's code, so that
// they differ by the copy alone.

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    pairs: { type: 'string', default: '3' },
    side: { type: 'string' },
    url: { type: 'string', default: '' },
  },
})
const MIB = 1024 * 1024
const CHUNK = 2048
const TABLE = `CREATE TABLE viewings (viewing_id bigint PRIMARY KEY, user_id text NOT NULL, title text NOT NULL,
  started_at timestamptz NOT NULL, minutes integer, score numeric(4,2), device text);
  INSERT INTO viewings SELECT g, 'u' || g % 50000, 'Title ' || g % 20000 || ': "a story"', timestamptz '2026-01-01Z' + g * interval '1 second',
    nullif(g % 180, 0), (g % 1000) / 100.0, (ARRAY['tv', 'mobile', 'web'])[g % 4] FROM generate_series(1, ${Number(values.rows)}) g;
  ANALYZE viewings`

async function bare(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url, types: { getTypeParser: () => (text: unknown) => text } })
  await client.connect()
  const instance = await DuckDBInstance.create(':memory:', { memory_limit: '128MiB', threads: '2' })
  const connection = await instance.connect()
  await connection.run(
    'CREATE TABLE viewings (a VARCHAR, b VARCHAR, c VARCHAR, d VARCHAR, e VARCHAR, f VARCHAR, g VARCHAR)',
  )
  const appender = await connection.createAppender('viewings')
  const types = Array.from({ length: 7 }, () => VARCHAR)
  let rows: (string | null)[][] = []
  let count = 0
  const flush = () => {
    const chunk = DuckDBDataChunk.create(types, rows.length)
    chunk.setRows(rows)
    appender.appendDataChunk(chunk)
    count += rows.length
    rows = []
  }
  const asked = { text: 'SELECT * FROM viewings ORDER BY viewing_id', rowMode: 'array' }
  const query = new pg.Query<(string | null)[]>(asked)
  query.on('row', (row) => {
    rows.push(row)
    if (rows.length === CHUNK) flush()
  })
  client.query(query)
  await new Promise<void>((resolve, reject) => query.on('end', () => resolve()).on('error', reject))
  flush()
  appender.closeSync()
  await client.end()
  return count
}

async function ours(url: string): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'cinelake-table-copy-'))
  try {
    await using lake = await createDirectoryLake(join(directory, 'lake'))
    const scratchDirectory = join(directory, 'scratch')
    await using engine = await createDuckDbEngine({
      memoryBytes: 128 * MIB,
      threads: 2,
      scratchDirectory,
      directories: [directory],
    })
    const { signal } = new AbortController()
    await using database = openDatabase({ source: 'bench', url, timeoutMs: 60_000, signal })
    const table = await database.describe({ schema: 'public', name: 'viewings' })
    await using snapshot = await database.snapshot()
    const target = { table, place: database.place, folder: 'raw/viewings', signal, progress: () => {} }
    const parts = await landRows({ lake, engine }, snapshot.rows(table), target)
    return parts.reduce((sum, { rowCount = 0 }) => sum + rowCount, 0)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

type Run = { readonly rows: number; readonly seconds: number; readonly cpuSeconds: number; readonly peakMib: number }

/** In a process of its own. */
async function measured(side: string, url: string): Promise<Run> {
  const begun = performance.now()
  const rows = await (side === 'bare' ? bare(url) : ours(url))
  const seconds = (performance.now() - begun) / 1000
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
  return { rows, seconds, cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, peakMib: maxRSS / 1024 }
}

async function run(side: string, url: string): Promise<Run> {
  const file = import.meta.filename
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...process.execArgv,
    file,
    '--side',
    side,
    '--url',
    url,
  ])
  return JSON.parse(stdout) as Run
}

async function compare(): Promise<void> {
  const { server, missing } = await findPostgres()
  if (server === undefined) throw new Error(missing)
  await using _server = server
  await using database = await server.createDatabase()
  const client = new pg.Client(database.url)
  await client.connect()
  await client.query(TABLE)
  await client.end()
  const pairs: { readonly time: number; readonly cpu: number; readonly peak: number }[] = []
  for (let pair = 0; pair < Number(values.pairs); pair += 1) {
    const [theirs, mine] = [await run('bare', database.url), await run('ours', database.url)]
    if (theirs.rows !== mine.rows) throw new Error(`expected ${theirs.rows} rows, got ${mine.rows}`)
    const rate = ({ rows, seconds, cpuSeconds, peakMib }: Run) =>
      `${Math.round(rows / seconds / 1000)}k rows/s (CPU ${cpuSeconds.toFixed(1)} s, ${Math.round(peakMib)} MiB)`
    pairs.push({
      time: theirs.seconds / mine.seconds,
      cpu: theirs.cpuSeconds / mine.cpuSeconds,
      peak: mine.peakMib / theirs.peakMib,
    })
    console.log(`  bare ${rate(theirs)}, agent ${rate(mine)}`)
  }
  const median = (of: keyof (typeof pairs)[number]) => medianOf(pairs.map((pair) => pair[of]))
  verdict('table copy, rows a second, agent / bare SELECT into an appender', median('time'), { atLeast: 0.7 })
  verdict('table copy, rows a second of CPU', median('cpu'), { atLeast: 0.6 })
  verdict('table copy, peak memory, agent / bare', median('peak'), { atMost: 1.15 })
}

if (values.side === undefined) await compare()
else process.stdout.write(JSON.stringify(await measured(values.side, values.url)))
