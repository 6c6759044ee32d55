import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseWindow } from '../libs/core/src/index.ts'
import type { CheckedPipeline } from '../libs/pipeline/src/index.ts'
import { startSampleCompany } from '../libs/sample-company/src/index.ts'
import { noProgress } from '../apps/cli/src/output/progress.ts'
import { plainPaint, type Terminal } from '../apps/cli/src/output/terminal.ts'
import { openPlatform } from '../apps/cli/src/platform.ts'
import { usablePipeline } from '../apps/cli/src/read-folder.ts'
import { runWindows } from '../apps/cli/src/run-windows.ts'
import { platformConfig } from '../apps/cli/src/settings.ts'

const OTT = join(import.meta.dirname, '../pipelines/ott')
const silent: Terminal = { print() {}, note() {}, isInteractive: false, columns: () => 80, paint: plainPaint }

/**
 * The fixed cost of a day: the shipped pipeline on the sample company, and then the two days after, on which the sources
 * hold what they held before and no file came.
 * @returns milliseconds from the request of such a run to its end, all services and the database in this process
 */
export async function measureUnchangedDay(directory: string): Promise<number> {
  await rm(directory, { recursive: true, force: true })
  // Its API's `Retry-After` would be a second of every day, which no code can save.
  await using company = await startSampleCompany({
    directory: join(directory, 'company'),
    scale: 1,
    seed: 1,
    refuses: false,
  })
  const settings = { ...company.settings, ...company.secrets }
  const config = { ...platformConfig(settings, join(directory, 'state')), secrets: { url: 'env:' } }
  const pipeline = withoutFiles(await usablePipeline(OTT, config, { config, settings }))
  await using platform = await openPlatform(config, settings, silent)
  const run = async (label: string) => {
    const window = parseWindow(pipeline.schedule, label)
    if (window === undefined) throw new Error(`no window ${label}`)
    const begun = performance.now()
    const [record] = await runWindows(platform, pipeline, [window], {
      origin: { folder: OTT },
      progress: noProgress,
      signal: new AbortController().signal,
    })
    if (record?.state !== 'succeeded') throw new Error(`the run of ${label} ended as ${record?.state ?? 'nothing'}`)
    return performance.now() - begun
  }
  await company.advanceTo('2026-03-01')
  await run('2026-03-01')
  // The best of two, as elsewhere: in the first, much of the code runs for the first time. Services go on for weeks.
  return Math.min(await run('2026-03-02'), await run('2026-03-03'))
}

/** The pipeline as it is, but for a day without a drop being as good as any other. */
function withoutFiles(pipeline: CheckedPipeline): CheckedPipeline {
  const sources = pipeline.sources.map((source) =>
    source.type === 'files'
      ? { ...source, datasets: source.datasets.map((dataset) => ({ ...dataset, whenMissing: 'skip' as const })) }
      : source,
  )
  return { ...pipeline, sources }
}
