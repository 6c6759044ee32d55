import { createHash } from 'node:crypto'
import { databaseSourceErrors, type DatabasePlace } from './errors.ts'
import type { SourceRow, SourceTable } from './source-database.ts'

/** The encoding that the database uses for text in a digest. */
export type DigestEncoding = 'utf8' | 'utf16le'

/**
 * The digest of a row: SHA-256 in lower-case hex of its values in order, each as its number of bytes, a
 * colon and its bytes; `~` for NULL. The database computes the same over the values it sends.
 */
export function rowDigest(row: SourceRow, encoding: DigestEncoding): string {
  const parts = row.map((value) => (value === null ? '~' : `${Buffer.byteLength(value, encoding)}:${value}`))
  return createHash('sha256')
    .update(Buffer.from(parts.join(''), encoding))
    .digest('hex')
}

/**
 * Compares rows with the digests that the database sent as their last values, and removes these.
 * @throws {DATABASE_ROW_CHANGED} transient
 */
export async function* withoutDigests(
  batches: AsyncIterable<readonly SourceRow[]>,
  encoding: DigestEncoding,
  about: { readonly place: DatabasePlace; readonly table: SourceTable },
): AsyncGenerator<readonly SourceRow[]> {
  for await (const batch of batches) {
    yield batch.map((row) => {
      const values = row.slice(0, -1)
      if (rowDigest(values, encoding) !== row.at(-1))
        throw databaseSourceErrors.DATABASE_ROW_CHANGED(about.place, about.table.table)
      return values
    })
  }
}
