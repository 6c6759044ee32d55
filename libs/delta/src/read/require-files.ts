import type { CallOptions, Lake } from '@cinelake/lake'
import type { DeltaSnapshot } from '../delta-table.ts'
import { TableFilesLostError } from '../errors.ts'

/** Files that the error names. */
const NAMED = 3

/**
 * Checks that the data files of a version are there, each with the size that the log has of it: an intact log does not
 * prove that, and a task that appends rows reads none. One listing of the table's folder, page by page; memory is that
 * of the snapshot's paths.
 * @throws {TableFilesLostError} terminal
 */
export async function requireFiles(
  lake: Pick<Lake, 'list'>,
  table: string,
  snapshot: Pick<DeltaSnapshot, 'version' | 'files'>,
  options: CallOptions = {},
): Promise<void> {
  const missing = new Map(snapshot.files.map(({ path, sizeBytes }) => [path, sizeBytes]))
  const resized = new Map<string, number>()
  if (missing.size === 0) return
  for await (const { path, sizeBytes } of lake.list(table, options)) {
    const name = path.slice(table.length + 1)
    const expected = missing.get(name)
    if (expected === undefined) continue
    missing.delete(name)
    if (sizeBytes !== expected) resized.set(name, sizeBytes)
  }
  const count = missing.size + resized.size
  if (count === 0) return
  const sizes = [...resized].map(([name, sizeBytes]) => `${name} (${sizeBytes} bytes)`)
  const named = [...missing.keys(), ...sizes].slice(0, NAMED)
  throw new TableFilesLostError(table, snapshot, { count, named })
}
