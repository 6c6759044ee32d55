import { z } from 'zod'
import { databaseSource, type DatabaseDatasetText } from './database-source-schema.ts'
import { filesSource, type FilesDatasetText } from './files-source-schema.ts'
import { pushSource, type PushDatasetText } from './push-source-schema.ts'
import { restSource, type RestDatasetText } from './rest-source-schema.ts'

/** A source as it stands in `pipeline.yaml`. */
export const SourceText = z.discriminatedUnion('type', [filesSource, databaseSource, restSource, pushSource])
export type SourceText = z.infer<typeof SourceText>
export type DatasetText = FilesDatasetText | DatabaseDatasetText | RestDatasetText | PushDatasetText
