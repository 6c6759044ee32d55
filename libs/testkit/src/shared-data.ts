import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Real data that is too large, or not ours, to be part of the repository lies beside it. */
const SHARED_DATA = new URL('../../../../shared/data/', import.meta.url)

/**
 * A folder of real data for tests. Skip, with the reason, where it is undefined:
 * `test.skipIf(data === undefined)` and say in the name what it needs.
 * @returns absolute path; undefined on machines that do not have it
 */
export function sharedData(name: string): string | undefined {
  const path = fileURLToPath(new URL(name, SHARED_DATA))
  return existsSync(path) ? path : undefined
}
