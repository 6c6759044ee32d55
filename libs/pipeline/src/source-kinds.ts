import { databaseConfig } from '@cinelake/source-database/config'
import { filesConfig } from '@cinelake/source-files/config'
import type { SourceConfig } from '@cinelake/source-kind'
import { pushConfig } from '@cinelake/source-push/config'
import { restConfig } from '@cinelake/source-rest/config'
import { z } from 'zod'

// The only place in this package that names kinds of sources: all other code uses the kind's interface.

/** A source in `pipeline.yaml`. */
export const SourceText = z.discriminatedUnion('type', [
  filesConfig.text,
  databaseConfig.text,
  restConfig.text,
  pushConfig.text,
])
export type SourceText = z.infer<typeof SourceText>
export type DatasetText = NonNullable<SourceText['datasets']>[string]

export const CheckedSource = z.discriminatedUnion('type', [
  filesConfig.checked,
  databaseConfig.checked,
  restConfig.checked,
  pushConfig.checked,
])
export type CheckedSource = z.infer<typeof CheckedSource>

/** All kinds of sources that a pipeline may have, by `type`. */
export const SOURCE_KINDS: Readonly<Record<CheckedSource['type'], SourceConfig<SourceText, CheckedSource>>> = {
  rest: restConfig,
  files: filesConfig,
  database: databaseConfig,
  push: pushConfig,
}

/** The kind of a source. */
export const sourceKindOf = ({ type }: Pick<CheckedSource, 'type'>) => SOURCE_KINDS[type]
