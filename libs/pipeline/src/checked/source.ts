import { z } from 'zod'
import { DatabaseSource } from './database-source.ts'
import { FilesSource } from './files-source.ts'
import { PushSource } from './push-source.ts'
import { RestSource } from './rest-source.ts'

export const CheckedSource = z.discriminatedUnion('type', [FilesSource, DatabaseSource, RestSource, PushSource])
export type CheckedSource = z.infer<typeof CheckedSource>
