import { stat } from 'node:fs/promises'
import type { Lake } from '@cinelake/lake'
import type { AddFile } from '../log/actions.ts'
import { CHECKSUM_TAG, checksumOfFile } from '../log/checksum.ts'
import { concurrently } from '../concurrently.ts'
import type { TablePlace } from '../write/data-files.ts'
import { DeltaFileDamagedError } from '../errors.ts'

const CHECKS_AT_ONCE = 4

/** Files remembered as checked. Some hundred bytes each. */
const REMEMBERED = 20_000

/** Files that were found to be as they were written, by lake: data files never change, so once is enough. */
const checked = new WeakMap<Lake, Set<string>>()

type OpenFile = { readonly add: AddFile; /** In the lake. */ readonly path: string; readonly local: string }

/**
 * Checks that data files are as the log says that they were written. An engine notices some damage only, and does not
 * say of which table; of a changed value it says nothing.
 * @throws {DeltaFileDamagedError} terminal
 */
export async function checkFiles({ lake, path: table }: TablePlace, files: readonly OpenFile[]): Promise<void> {
  const known = checked.get(lake) ?? new Set<string>()
  checked.set(lake, known)
  await concurrently(files, CHECKS_AT_ONCE, async ({ add, path, local }) => {
    const { size, mtimeMs } = await stat(local)
    if (size !== add.size) throw new DeltaFileDamagedError(table, path, `${add.size} bytes`, `${size}`)
    const written = add.tags?.[CHECKSUM_TAG]
    const key = `${path} ${local} ${mtimeMs}`
    if (typeof written !== 'string' || known.has(key)) return
    const found = await checksumOfFile(local)
    if (found !== written) throw new DeltaFileDamagedError(table, path, `the checksum ${written}`, found)
    if (known.size >= REMEMBERED) known.clear()
    known.add(key)
  })
}
