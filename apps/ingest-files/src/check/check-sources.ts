import type { CheckedPipeline, CheckedSource, DatabaseSource, FilesDataset, FilesSource } from '@cinelake/pipeline'
import type { Fill } from '@cinelake/secrets'
import type { AzureCredential } from '@cinelake/database'
import { access, constants, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { parseFilePattern } from '../files/file-pattern.ts'
import { findFiles } from '../files/find-files.ts'
import { archiveFolder } from '../files/local-paths.ts'
import { checkDatabase } from './check-database.ts'
import type { Finding } from './finding.ts'

type Found = string | Omit<Finding, 'check'>

/** One thing to look at among a pipeline's sources. */
export type SourceCheck = { readonly name: string; readonly run: (signal: AbortSignal) => Promise<Found> }

/** What fills the texts of sources, and signs in where a database wants an identity. */
type Filling = { readonly fill: Fill; readonly credential?: AzureCredential | undefined }

/** What there is to look at of the sources that a site's agents read. */
export function sourceChecks(pipeline: Pick<CheckedPipeline, 'sources'>, site: string, deps: Filling): SourceCheck[] {
  return pipeline.sources.flatMap((source) => (isOfSite(source, site) ? checksOf(source, deps) : []))
}

function isOfSite(source: CheckedSource, site: string): source is FilesSource | DatabaseSource {
  return (source.type === 'files' || source.type === 'database') && (source.site ?? '') === site
}

function checksOf(source: FilesSource | DatabaseSource, deps: Filling): SourceCheck[] {
  if (source.type === 'database') {
    return [{ name: `database ${source.name}`, run: (signal) => checkDatabase(source, { ...deps, signal }) }]
  }
  return source.datasets.map((dataset) => ({
    name: `folder ${source.name}/${dataset.name}`,
    run: (signal) => checkFolder(source, dataset, { fill: deps.fill, signal }),
  }))
}

async function checkFolder(
  source: FilesSource,
  dataset: FilesDataset,
  { fill, signal }: { readonly fill: Fill; readonly signal: AbortSignal },
): Promise<Found> {
  const path = await fill(source.path)
  const folder = resolve(path)
  const found = await findFiles({ source: source.name, folder: path }, parseFilePattern(dataset.files), { signal })
  for (const { file } of found.slice(-1)) await access(file, constants.R_OK)
  const { afterLanding = 'leave' } = dataset
  const count = `${folder} may be read; ${found.length} files like ${dataset.files} are there`
  if (afterLanding === 'leave') return count
  const targets = [folder]
  if (typeof afterLanding === 'object') targets.push(archiveFolder(folder, await fill(afterLanding.archive)))
  for (const target of targets) {
    const existing = await nearestThatExists(target)
    const mayWrite = await access(existing, constants.W_OK).then(
      () => true,
      () => false,
    )
    if (mayWrite) continue
    const detail = `${existing} may not be written to: expected so, as files are moved away or deleted after landing; give the agent's account the right to`
    return { outcome: 'problem', detail }
  }
  return `${count}, and may be moved away or deleted`
}

/** An archive is made when the first file goes there. */
async function nearestThatExists(folder: string): Promise<string> {
  const isThere = (await stat(folder).catch(() => undefined)) !== undefined
  return isThere || dirname(folder) === folder ? folder : await nearestThatExists(dirname(folder))
}
