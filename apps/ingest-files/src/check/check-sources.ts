import type { CheckedPipeline, CheckedSource } from '@cinelake/pipeline'
import type { Fill } from '@cinelake/secrets'
import { databaseKind } from '@cinelake/source-database'
import { filesKind } from '@cinelake/source-files'
import { agentQueue, type SourceCheck, type SourceConfig } from '@cinelake/source-kind'
import type { AzureCredential } from '@cinelake/database'

/** Resolves secrets in sources, and authenticates where a database wants an identity. */
type Filling = { readonly fill: Fill; readonly credential?: AzureCredential | undefined }

type Kind<Checked extends CheckedSource> = {
  readonly config: Pick<SourceConfig<never, Checked>, 'plan'>
  checks(source: Checked, deps: Filling): readonly SourceCheck[]
}

/** The source kinds that agents read. */
const KINDS: { readonly [Type in CheckedSource['type']]?: Kind<Extract<CheckedSource, { type: Type }>> } = {
  files: filesKind,
  database: databaseKind,
}

/** The checks of the sources that a site's agents read. */
export function sourceChecks(pipeline: Pick<CheckedPipeline, 'sources'>, site: string, deps: Filling): SourceCheck[] {
  const queue = agentQueue(site === '' ? undefined : site)
  return pipeline.sources.flatMap((source) => {
    const kind: Kind<CheckedSource> | undefined = KINDS[source.type]
    return kind === undefined || kind.config.plan(source).queue !== queue ? [] : kind.checks(source, deps)
  })
}
