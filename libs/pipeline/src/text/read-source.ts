import type { CheckedSource } from '../checked/source.ts'
import { readDatabaseSource } from './read-database-source.ts'
import { readFilesSource } from './read-files-source.ts'
import { readPushSource } from './read-push-source.ts'
import { readRestSource } from './read-rest-source.ts'
import type { SourcePlace } from './source-place.ts'
import type { SourceText } from './source-schema.ts'

/** Turns a source's text into what the service that reads it needs. */
export function readSource(name: string, source: SourceText, place: SourcePlace): CheckedSource {
  if (source.type === 'files') return readFilesSource(name, source, place)
  if (source.type === 'push') return readPushSource(name, source, place)
  return source.type === 'database' ? readDatabaseSource(name, source, place) : readRestSource(name, source, place)
}
