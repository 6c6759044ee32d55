import { once } from 'node:events'
import { fork, type ChildProcess } from 'node:child_process'
import { createServer } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { TaskHandler } from '../libs/bus/src/index.ts'
import { parseWindow, silentLog, systemClock } from '../libs/core/src/index.ts'
import { createDirectoryLake } from '../libs/lake/src/directory/lake.ts'
import { CheckedSource, freezePipeline, type CheckedPipeline } from '../libs/pipeline/src/index.ts'
import { createFill } from '../libs/secrets/src/index.ts'
import { createIngestApiHandlers } from '../apps/ingest-api/src/handlers.ts'

// Lands an API's pages as CSV, resumably, against a loop that fetches the same pages, parses them and only counts. Each
// measurement has a process of its own, in turns; the server has another.
// node --conditions=@cinelake/source bench/rest.ts [--pages 500] [--rows 1000] [--pairs 3]

const { values } = parseArgs({
  options: {
    pages: { type: 'string', default: '500' },
    rows: { type: 'string', default: '1000' },
    pairs: { type: 'string', default: '3' },
    as: { type: 'string', default: 'main' },
    url: { type: 'string', default: '' },
  },
})
const pageCount = Number(values.pages)
const rowCount = Number(values.rows)

type Measured = { readonly wallMs: number; readonly cpuMs: number; readonly peakMiB: number; readonly rowCount: number }
type Role = 'server' | 'bare' | 'cinelake'

const roles: Readonly<Record<string, () => Promise<void>>> = {
  main: compare,
  server: serve,
  bare: () => measured(readBare),
  cinelake: () => measured(readCinelake),
}
await roles[values.as]?.()

async function compare(): Promise<void> {
  const server = start('server', '')
  const [url] = (await once(server, 'message')) as [string]
  try {
    await result('bare', url)
    await result('cinelake', url)
    const ratios: number[] = []
    let peakMiB = 0
    for (let pair = 0; pair < Number(values.pairs); pair += 1) {
      const bare = await result('bare', url)
      const ours = await result('cinelake', url)
      ratios.push(bare.wallMs / ours.wallMs)
      peakMiB = Math.max(peakMiB, ours.peakMiB)
      const line = ({ rowCount: rows, wallMs, cpuMs, peakMiB }: Measured) =>
        `${Math.round(rows / wallMs)}k rows/s, ${Math.round(cpuMs)} ms CPU, ${Math.round(peakMiB)} MiB`
      const ratio = (bare.wallMs / ours.wallMs).toFixed(2)
      console.log(
        `  bare ${line(bare)} · cinelake ${line(ours)} · ratio ${ratio}, of CPU ${(bare.cpuMs / ours.cpuMs).toFixed(2)}`,
      )
    }
    const median = ratios.toSorted((a, b) => a - b)[Math.floor(ratios.length / 2)] ?? Number.NaN
    const verdict = (isMet: boolean) => (isMet ? 'ok  ' : 'MISS')
    console.log(
      `  ${verdict(median >= 0.6)} rows/s of REST, cinelake / bare fetch loop: ${median.toFixed(2)} (aim ≥ 0.6)`,
    )
    console.log(`  ${verdict(peakMiB <= 300)} peak of a REST landing: ${Math.round(peakMiB)} MiB (aim ≤ 300)`)
  } finally {
    server.kill()
  }
}

function start(role: Role, url: string): ChildProcess {
  return fork(import.meta.filename, ['--as', role, '--url', url, '--pages', values.pages, '--rows', values.rows], {
    execArgv: ['--conditions=@cinelake/source'],
  })
}

async function result(role: Role, url: string): Promise<Measured> {
  const child = start(role, url)
  const [answer] = (await once(child, 'message')) as [Measured]
  if (child.exitCode === null) await once(child, 'exit')
  if (answer.rowCount !== pageCount * rowCount) throw new Error(`${role} found ${answer.rowCount} rows`)
  return answer
}

/** All pages are different, as pages are, and made before the clock starts. */
async function serve(): Promise<void> {
  const pages = Array.from({ length: pageCount }, (_, page) => {
    const data = Array.from({ length: rowCount }, (__, row) => rowOf(page * rowCount + row))
    return Buffer.from(JSON.stringify({ page: page + 1, data }))
  })
  const server = createServer((request, response) => {
    const page = Number(new URL(request.url ?? '', 'http://x').searchParams.get('page'))
    response.setHeader('content-type', 'application/json')
    response.end(pages[page - 1] ?? '{"data":[]}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
}

function rowOf(id: number) {
  return {
    id,
    name: `Person ${(id * 7919) % 50_000}`,
    email: `person${id}@example.org`,
    signedUpAt: new Date(Date.UTC(2026, 1, 1) + id * 1000).toISOString(),
    plan: ['basic', 'standard', 'premium'][id % 3],
    score: (id % 1000) / 100,
    active: id % 7 !== 0,
    address: { city: 'Köln', country: 'DE' },
  }
}

async function measured(read: () => Promise<number>): Promise<void> {
  const begun = performance.now()
  // Neither counts the start of the process and the reading of the programs.
  const usedBefore = process.cpuUsage()
  const found = await read()
  const { user, system } = process.cpuUsage(usedBefore)
  const answer: Measured = {
    wallMs: performance.now() - begun,
    cpuMs: (user + system) / 1000,
    peakMiB: process.resourceUsage().maxRSS / 1024,
    rowCount: found,
  }
  process.send?.(answer, () => process.disconnect())
}

async function readBare(): Promise<number> {
  let count = 0
  for (let page = 1; ; page += 1) {
    const response = await fetch(`${values.url}/?page=${page}`)
    const { data } = (await response.json()) as { data: unknown[] }
    if (data.length === 0) return count
    count += data.length
  }
}

async function readCinelake(): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'cinelake-bench-'))
  try {
    await using lake = await createDirectoryLake(directory)
    const { handlers, command } = await prepare(lake)
    const outcome = await handlers(command, { signal: new AbortController().signal, progress: () => {} })
    return outcome.balance.out
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function prepare(lake: Awaited<ReturnType<typeof createDirectoryLake>>) {
  const pagination = { type: 'page', parameter: 'page', first: 1 }
  const dataset = { name: 'people', path: '', query: {}, records: '$.data', pagination }
  const source = { type: 'rest', name: 'api', baseUrl: values.url, headers: {}, auth: { type: 'none' }, maxRetries: 3 }
  const window = parseWindow({ every: 'day', timeZone: 'UTC' }, '2026-03-01')
  if (window === undefined) throw new Error('no window')
  const pipeline: CheckedPipeline = {
    format: 1,
    name: 'bench',
    schedule: { every: 'day', timeZone: 'UTC', start: '2026-03-01', delayMs: 0 },
    retry: { maxAttempts: 1, backoffMs: 0, maxBackoffMs: 0 },
    sources: [CheckedSource.parse({ ...source, timeoutMs: 30_000, datasets: [dataset] })],
    datasets: [],
    models: [],
    serve: [],
  }
  const { path, text, digest } = freezePipeline(pipeline)
  await lake.putIfAbsent(path, text)
  const secrets = { get: async () => '', has: async () => true, async [Symbol.asyncDispose]() {} }
  const fill = createFill({ settings: {}, secrets })
  const handlers = createIngestApiHandlers({ lake, fill, clock: systemClock, log: silentLog })
  const command = {
    kind: 'ingest',
    contract: 1,
    id: crypto.randomUUID(),
    run: 'bench@2026-03-01',
    task: 'ingest api/people',
    generation: 1,
    attempt: 1,
    pipeline: { name: 'bench', digest },
    window,
    source: 'api',
    dataset: 'people',
    since: null,
  } as const
  return { handlers: handlers.ingest as TaskHandler<'ingest'>, command }
}
