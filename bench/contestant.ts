import { writeSync } from 'node:fs'
import type { Contest, Measured } from './contest.ts'

/** A process of its own for each measurement, so that peak memory is the contestant's and nobody else's. */
const [name = '', task = '{}'] = process.argv.slice(2)
const contest: Contest = JSON.parse(task)
const contestants: Record<string, () => Promise<(contest: Contest) => Promise<number>>> = {
  bare: async () => (await import('./bare.ts')).runBare,
  polars: async () => (await import('./polars.ts')).runPolars,
  land: async () => (await import('./cinelake.ts')).landForCinelake,
  cinelake: async () => (await import('./cinelake.ts')).runCinelake,
}
const load = contestants[name]
if (load === undefined) throw new Error(`no contestant ${name}; known: ${Object.keys(contestants).join(', ')}`)
const run = await load()
const started = performance.now()
const rowCount = await run(contest)
const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
const measured: Measured = {
  wallMs: performance.now() - started,
  cpuMs: (userCPUTime + systemCPUTime) / 1000,
  peakMiB: maxRSS / 1024,
  rowCount,
}
writeSync(1, `${JSON.stringify(measured)}\n`)
