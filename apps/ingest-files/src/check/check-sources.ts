import type { CheckedPipeline, CheckedSource, DatabaseSource, FilesSource } from '@cinelake/pipeline'
import type { Fill } from '@cinelake/secrets'
import type { AzureCredential } from '@cinelake/warehouse'
import { checkDatabase } from '@cinelake/source-database'
import { checkFolder } from '@cinelake/source-files'
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
