import { z } from 'zod'
import { DatabaseSource } from './database-source.ts'
import { FilesSource } from './files-source.ts'
import { RestSource } from './rest-source.ts'

export const CheckedSource = z.discriminatedUnion('type', [FilesSource, DatabaseSource, RestSource])
export type CheckedSource = z.infer<typeof CheckedSource>
