import type { DatabaseSource } from '@cinelake/pipeline'
import type { Fill } from '@cinelake/secrets'
import { fillAddress, hasSecret } from './database-address.ts'
import { DatabaseLoginRefusedError } from './errors.ts'
import { openDatabase } from './open-database.ts'
import type { SourceDatabase } from './source-database.ts'

/**
 * Works with a source's database and closes it. A refused login is tried once more with the secrets looked up again:
 * they may have been changed since they were last read.
 */
export async function withDatabase<T>(
  source: DatabaseSource,
  { fill, signal }: { readonly fill: Fill; readonly signal: AbortSignal },
  work: (database: SourceDatabase) => Promise<T>,
): Promise<T> {
  const attempt = async (refresh: boolean) => {
    const url = await fillAddress(fill, source.url, { refresh })
    await using database = openDatabase({ source: source.name, url, signal })
    return await work(database)
  }
  try {
    return await attempt(false)
  } catch (error) {
    if (!(error instanceof DatabaseLoginRefusedError) || !hasSecret(source.url)) throw error
    return await attempt(true)
  }
}
