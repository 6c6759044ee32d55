import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Contest, Measured } from './contest.ts'
import { generate } from './generate.ts'
import { measureUnchangedDay } from './unchanged-day.ts'

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

/** The best of the rounds: what the code can do, with the least of what else the machine was doing. */
const best = (runs: readonly Measured[]) => runs.toSorted((a, b) => a.wallMs - b.wallMs)[0] as Measured
const line = (what: string, { wallMs, cpuMs, peakMiB, rowCount }: Measured) =>
  console.log(
    `  ${what.padEnd(34)} ${(wallMs / 1000).toFixed(1).padStart(6)} s wall ${(cpuMs / 1000).toFixed(1).padStart(6)} s cpu ${peakMiB.toFixed(0).padStart(6)} MiB peak ${rowCount.toLocaleString('en-US').padStart(12)} rows`,
  )
const verdict = (what: string, value: number, aim: string, holds: boolean) =>
  console.log(`  ${holds ? 'ok  ' : 'MISS'} ${what}: ${value.toFixed(2)} (aim ${aim})`)

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

const ratio = (a: Measured | undefined, b: Measured | undefined) => (a?.wallMs ?? NaN) / (b?.wallMs ?? NaN)
function report(title: string, results: Readonly<Record<string, Measured>>) {
  console.log(title)
  for (const [name, measured] of Object.entries(results)) line(name, measured)
}

console.log(
  `${Number(values.rows).toLocaleString('en-US')} viewings, best of ${rounds}, ${availableParallelism()} cores, 2 engine threads\n`,
)

const whole = await takeTurns(['bare', 'cinelake'], '1GB', false)
report('refine + models, engine limit 1 GB', whole)
verdict(
  'wall, Cinelake / bare DuckDB',
  ratio(whole['cinelake'], whole['bare']),
  '≤ 1.3',
  ratio(whole['cinelake'], whole['bare']) <= 1.3,
)
verdict(
  'peak memory, MiB',
  whole['cinelake']?.peakMiB ?? NaN,
  '≤ 1192 (1.25 GB)',
  (whole['cinelake']?.peakMiB ?? NaN) <= 1192,
)

const small = await takeTurns(['cinelake'], '256MB', false)
report('\nrefine + models, engine limit 256 MB', small)
verdict(
  'peak memory, MiB',
  small['cinelake']?.peakMiB ?? NaN,
  '≤ 488 (512 MB)',
  (small['cinelake']?.peakMiB ?? NaN) <= 488,
)

const refine = await takeTurns(['bare', 'cinelake', 'polars'], '1GB', true)
report('\nrefine alone, engine limit 1 GB (nodejs-polars: none)', refine)
verdict(
  'wall, nodejs-polars / Cinelake',
  ratio(refine['polars'], refine['cinelake']),
  '≥ 3',
  ratio(refine['polars'], refine['cinelake']) >= 3,
)

const unchangedMs = await measureUnchangedDay(join(values.dir, 'unchanged'))
console.log('\na day in which nothing changed, the whole platform')
verdict('wall, seconds', unchangedMs / 1000, '< 2', unchangedMs < 2000)
