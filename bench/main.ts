import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Contest, Measured } from './contest.ts'
import { generate } from './generate.ts'
import { measureUnchangedDay } from './unchanged-day.ts'
import { medianOf, verdict } from './verdict.ts'

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '10000000' },
    rounds: { type: 'string', default: '3' },
    dir: { type: 'string', default: join(tmpdir(), 'cinelake-bench') },
  },
})
const rounds = Number(values.rounds)

/** Runs a contestant in a process of its own. */
async function measure(name: string, contest: Contest): Promise<Measured> {
  const child = spawn(
    process.execPath,
    ['--conditions=@cinelake/source', join(import.meta.dirname, 'contestant.ts'), name, JSON.stringify(contest)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  let output = ''
  child.stdout.on('data', (chunk) => (output += String(chunk)))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${name} failed with exit code ${code}`)
  return JSON.parse(output)
}

/**
 * The fastest round: what the code can do, with the least of what else the machine was doing. Its peak is the median of
 * all rounds.
 */
function best(runs: readonly Measured[]): Measured {
  const fastest = runs.toSorted((a, b) => a.wallMs - b.wallMs)[0] as Measured
  return { ...fastest, peakMiB: medianOf(runs.map(({ peakMiB }) => peakMiB)) }
}
const line = (what: string, { wallMs, cpuMs, peakMiB, rowCount }: Measured) =>
  console.log(
    `  ${what.padEnd(34)} ${(wallMs / 1000).toFixed(1).padStart(6)} s wall ${(cpuMs / 1000).toFixed(1).padStart(6)} s cpu ${peakMiB.toFixed(0).padStart(6)} MiB peak ${rowCount.toLocaleString('en-US').padStart(12)} rows`,
  )
const data = await generate(join(values.dir, `viewings-${values.rows}`), Number(values.rows))
const contest = (name: string, memory: string, refineOnly: boolean): Contest => ({
  data,
  out: join(values.dir, name),
  memory,
  refineOnly,
})

/** The contestants take turns, so that a slow minute of the machine hits them all. */
async function takeTurns(
  names: readonly string[],
  memory: string,
  refineOnly: boolean,
): Promise<Record<string, Measured>> {
  const runs: Record<string, Measured[]> = Object.fromEntries(names.map((name) => [name, []]))
  for (let round = 0; round < rounds; round += 1) {
    for (const name of names) {
      if (name === 'cinelake') await measure('land', contest(name, memory, refineOnly))
      runs[name]?.push(await measure(name, contest(name, memory, refineOnly)))
    }
  }
  return Object.fromEntries(Object.entries(runs).map(([name, measured]) => [name, best(measured)]))
}

type Results = Readonly<Record<string, Measured>>
const ratio = (of: 'wallMs' | 'peakMiB', results: Results, ours = 'cinelake', theirs = 'bare') =>
  (results[ours]?.[of] ?? NaN) / (results[theirs]?.[of] ?? NaN)
function report(title: string, results: Results) {
  console.log(title)
  for (const [name, measured] of Object.entries(results)) line(name, measured)
}

console.log(
  `${Number(values.rows).toLocaleString('en-US')} viewings, best of ${rounds}, ${availableParallelism()} cores, 2 engine threads\n`,
)

const whole = await takeTurns(['bare', 'cinelake'], '1GB', false)
report('refine + models, engine limit 1 GB', whole)
verdict('wall, Cinelake / bare DuckDB', ratio('wallMs', whole), { atMost: 1.3 })
verdict('peak memory, Cinelake / bare DuckDB', ratio('peakMiB', whole), { atMost: 1.15 })

const small = await takeTurns(['bare', 'cinelake'], '256MB', false)
report('\nrefine + models, engine limit 256 MB', small)
verdict('wall, Cinelake / bare DuckDB', ratio('wallMs', small), { atMost: 1.3 })
verdict('peak memory, Cinelake / bare DuckDB', ratio('peakMiB', small), { atMost: 1.15 })

const refine = await takeTurns(['bare', 'cinelake', 'polars'], '1GB', true)
report('\nrefine alone, engine limit 1 GB (nodejs-polars: none)', refine)
verdict('wall, nodejs-polars / Cinelake', ratio('wallMs', refine, 'polars', 'cinelake'), { atLeast: 3 })

const unchangedMs = await measureUnchangedDay(join(values.dir, 'unchanged'))
console.log('\na day in which nothing changed, the whole platform')
verdict('wall', unchangedMs / 1000, { atMost: 1.2 }, ' s')
