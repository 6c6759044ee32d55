import { temporaryDirectory } from '@cinelake/testkit'
import { chmod } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { folderError } from '../errors.ts'
import { parseFilePattern } from '../file-pattern.ts'
import { findFiles } from './find-files.ts'
import { drop } from '../source-files.fixture.ts'

/** An account without rights of its own: `nobody`, on every Linux. */
const NOBODY = 65_534

/** Runs as somebody whom permissions apply to; the tests may run as root. */
async function withoutPrivileges<T>(run: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return await run()
  process.seteuid?.(NOBODY)
  try {
    return await run()
  } finally {
    process.seteuid?.(0)
  }
}

describe('a file that is there and cannot be looked at', () => {
  test('is not left out: the others alone are not the drop', async () => {
    await using directory = await temporaryDirectory()
    const folder = directory.path
    await drop(folder, { 'open/titles.csv': 'x', 'listed/titles.csv': 'y' })
    await chmod(folder, 0o755)
    // It may be listed, and nothing in it may be opened.
    await chmod(join(folder, 'listed'), 0o444)

    const found = withoutPrivileges(() => findFiles({ source: 'catalogue', folder }, parseFilePattern('*/titles.csv')))

    await expect(found).rejects.toMatchObject({
      code: 'FILES_FILE_FORBIDDEN',
      retryable: false,
      context: { source: 'catalogue', name: 'listed/titles.csv' },
    })
    await chmod(join(folder, 'listed'), 0o755)
  })
})

describe('a folder that cannot be listed', () => {
  test.each([
    ['ENOENT', 'FILES_FOLDER_UNUSABLE', false, /correct the source's `path`/],
    ['EACCES', 'FILES_FOLDER_UNUSABLE', false, /let the user/],
    ['ELOOP', 'FILES_FOLDER_UNUSABLE', false, /ELOOP/],
    ['EIO', 'FILES_FOLDER_AWAY', true, /check the disk or the share/],
    ['ESTALE', 'FILES_FOLDER_AWAY', true, /check the disk or the share/],
    ['ETIMEDOUT', 'FILES_FOLDER_AWAY', true, /check the disk or the share/],
    ['EMFILE', 'FILES_FOLDER_AWAY', true, /check the disk or the share/],
  ])('with %s is %s, retryable %s', (errno, code, retryable, words) => {
    const error = Object.assign(new Error('x'), { code: errno, syscall: 'scandir' })

    expect(folderError(error, 'catalogue', '/drops')).toMatchObject({
      code,
      retryable,
      message: expect.stringMatching(words),
      context: { source: 'catalogue', folder: '/drops' },
    })
  })

  test('whose path is relative is shown as the absolute one, and told what it is relative to', async () => {
    const finding = findFiles({ source: 'catalogue', folder: 'no/such' }, parseFilePattern('*.csv'))

    await expect(finding).rejects.toMatchObject({
      message: expect.stringContaining(
        `folder=${resolve('no/such')}]: expected a folder that this agent may list, got nothing of that name (\`no/such\` is relative to where this program was started)`,
      ),
      context: { folder: resolve('no/such') },
    })
  })

  test('since it is a file is shown as absolute, too', async () => {
    await using directory = await temporaryDirectory()
    await drop(directory.path, { file: 'x' })
    const folder = relative(process.cwd(), join(directory.path, 'file'))

    await expect(findFiles({ source: 'catalogue', folder }, parseFilePattern('*.csv'))).rejects.toMatchObject({
      code: 'FILES_FOLDER_UNUSABLE',
      context: { folder: join(directory.path, 'file') },
    })
  })
})
