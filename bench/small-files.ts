import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { TaskHandler } from '../libs/bus/src/index.ts'
import { CONTRACT_VERSION, type Ingest, type Refine } from '../libs/contracts/src/index.ts'
import { parseWindow, silentLog, systemClock } from '../libs/core/src/index.ts'
import { createDuckDbEngine } from '../libs/engine/src/duckdb/duckdb.ts'
import { manifestOf } from '../libs/lake/src/index.ts'
import { createDirectoryLake } from '../libs/lake/src/directory/lake.ts'
import { freezePipeline, type CheckedPipeline } from '../libs/pipeline/src/index.ts'
import { createFill } from '../libs/secrets/src/index.ts'
import { createIngestFilesHandlers } from '../apps/ingest-files/src/handlers.ts'
import { createRefine } from '../apps/transformer/src/refine/refine-dataset.ts'

// Lands and refines many files of one row each, and one file of as many rows: what a file costs besides its bytes. Each
// in a process of its own.
// node --conditions=@cinelake/source bench/small-files.ts [--files 20000]

const { values } = parseArgs({
  options: { files: { type: 'string', default: '20000' }, as: { type: 'string', default: 'main' } },
})
const fileCount = Number(values.files)
const MIB = 1024 * 1024

const none = {
  get: () => Promise.reject(new Error('there are no secrets')),
  has: async () => false,
  async [Symbol.asyncDispose]() {},
}

type Measured = {
  readonly ingestMs: number
  readonly refineMs: number
  readonly cpuMs: number
  readonly peakMiB: number
}

if (values.as === 'main') await compare()
else process.send?.(await measure(values.as === 'one' ? 1 : fileCount))

async function compare(): Promise<void> {
  const one = await inProcess('one')
  const many = await inProcess('many')
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`
  for (const [what, { ingestMs, refineMs, cpuMs, peakMiB }] of Object.entries({ one, many })) {
    console.log(
      `  ${what.padEnd(6)} ingest ${seconds(ingestMs)} · refine ${seconds(refineMs)} · CPU ${seconds(cpuMs)} · ${Math.round(peakMiB)} MiB peak`,
    )
  }
  const wallOf = ({ ingestMs, refineMs }: Measured) => ingestMs + refineMs
  const wall = wallOf(many) / 1000
  console.log(
    `  wall, ${fileCount} files of a row / one file of ${fileCount} rows: ${(wallOf(many) / wallOf(one)).toFixed(1)}`,
  )
  console.log(`  ${wall <= 60 ? 'ok  ' : 'MISS'} wall, seconds: ${wall.toFixed(1)} (aim ≤ 60 for 20,000 on two cores)`)
}

async function inProcess(role: 'one' | 'many'): Promise<Measured> {
  const child = fork(import.meta.filename, ['--as', role, '--files', values.files], {
    execArgv: ['--conditions=@cinelake/source'],
  })
  const [measured] = (await once(child, 'message')) as [Measured]
  if (child.exitCode === null) await once(child, 'exit')
  return measured
}

async function measure(files: number): Promise<Measured> {
  const directory = await mkdtemp(join(tmpdir(), 'cinelake-bench-'))
  try {
    await mkdir(join(directory, 'drop'))
    const row = (n: number) => `${n},name ${n},${n % 100}.5,2026-03-${String(1 + (n % 28)).padStart(2, '0')}\n`
    const rowsPerFile = fileCount / files
    for (let file = 0; file < files; file += 1) {
      const rows = Array.from({ length: rowsPerFile }, (_, n) => row(file * rowsPerFile + n))
      await writeFile(join(directory, 'drop', `orders-${file}.csv`), `id,name,price,day\n${rows.join('')}`)
    }
    return await landAndRefine(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function landAndRefine(directory: string): Promise<Measured> {
  await using lake = await createDirectoryLake(join(directory, 'lake'))
  await using engine = await createDuckDbEngine({
    memoryBytes: 512 * MIB,
    threads: 2,
    scratchDirectory: join(directory, 'scratch'),
  })
  const pipeline = pipelineOf(join(directory, 'drop'))
  const frozen = freezePipeline(pipeline)
  await lake.putIfAbsent(frozen.path, frozen.text)
  const window = parseWindow(pipeline.schedule, '2026-03-01')
  if (window === undefined) throw new Error('no window')
  const deps = { lake, engine, fill: createFill({ settings: {}, secrets: none }), clock: systemClock, log: silentLog }
  const context = { signal: new AbortController().signal, progress: () => {} }
  const header = {
    contract: CONTRACT_VERSION,
    run: `bench@${window.label}`,
    pipeline: { name: pipeline.name, digest: frozen.digest },
    window,
    generation: 1,
    attempt: 1,
  } as const
  const ingest: Ingest = {
    ...header,
    task: 'ingest drop/orders',
    kind: 'ingest',
    source: 'drop',
    dataset: 'orders',
    since: null,
  }
  const refine: Refine = {
    ...header,
    task: 'refine orders',
    kind: 'refine',
    dataset: 'orders',
    manifest: manifestOf(ingest),
  }

  const begun = performance.now()
  await (createIngestFilesHandlers(deps).ingest as TaskHandler<'ingest'>)(ingest, context)
  const landed = performance.now()
  const { balance } = await createRefine(deps)(refine, context)
  const refined = performance.now()
  if (balance.out !== fileCount) throw new Error(`expected ${fileCount} rows, got ${balance.out}`)
  const { user, system } = process.cpuUsage()
  return {
    ingestMs: landed - begun,
    refineMs: refined - landed,
    cpuMs: (user + system) / 1000,
    peakMiB: process.resourceUsage().maxRSS / 1024,
  }
}

function pipelineOf(path: string): CheckedPipeline {
  const column = (name: string, type: string) => ({ name, type, required: name === 'id', reading: { from: [name] } })
  return {
    format: 1,
    name: 'bench',
    schedule: { every: 'day', timeZone: 'UTC', start: '2026-03-01', delayMs: 0 },
    retry: { maxAttempts: 1, backoffMs: 0, maxBackoffMs: 0 },
    sources: [
      { type: 'files', name: 'drop', path, datasets: [{ name: 'orders', files: '*.csv', whenMissing: 'fail' }] },
    ],
    datasets: [
      {
        name: 'orders',
        source: 'drop',
        sourceDataset: 'orders',
        mode: 'snapshot',
        newestBy: [],
        duplicates: 'newest',
        partitionBy: [],
        reading: { header: true, nulls: [] },
        contract: {
          id: 'orders',
          version: '1',
          primaryKey: ['id'],
          rowRules: [],
          tableRules: [],
          columns: [
            column('id', 'BIGINT'),
            column('name', 'VARCHAR'),
            column('price', 'DECIMAL(10,2)'),
            column('day', 'DATE'),
          ],
        },
      },
    ],
    models: [],
    serve: [],
  }
}
