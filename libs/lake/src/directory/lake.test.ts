import { temporaryDirectory, until } from '@cinelake/testkit'
import { spawn } from 'node:child_process'
import { chmod, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { translate } from './errors.ts'
import { createDirectoryLake } from './lake.ts'
import { lakeContract } from '../contract/lake-contract.ts'

lakeContract('directory', async () => {
  const directory = await temporaryDirectory()
  const lake = await createDirectoryLake(join(directory.path, 'lake'))
  return {
    lake,
    async [Symbol.asyncDispose]() {
      await lake[Symbol.asyncDispose]()
      await directory[Symbol.asyncDispose]()
    },
  }
})

test('an object is a plain file at its path, and a downloaded object is that file', async () => {
  await using directory = await temporaryDirectory()
  await using lake = await createDirectoryLake(directory.path)

  await lake.put('refined/t/x.json', 'hello')
  await using local = await lake.download('refined/t/x.json')

  expect(local.file).toBe(join(directory.path, 'refined/t/x.json'))
  expect(await readFile(local.file, 'utf8')).toBe('hello')
  expect(lake.location).toBe(`file:${directory.path}`)
})

test('a symbolic link that is brought in becomes the file that it points to', async () => {
  await using directory = await temporaryDirectory()
  await using lake = await createDirectoryLake(join(directory.path, 'lake'))
  await writeFile(join(directory.path, 'original'), 'hello')
  await symlink(join(directory.path, 'original'), join(directory.path, 'link'))

  await lake.upload(join(directory.path, 'link'), 'x')

  expect(await lake.readText('x')).toBe('hello')
  expect(await readFile(join(directory.path, 'original'), 'utf8')).toBe('hello')
})

test('a local file that is not there is not taken for a missing object', async () => {
  await using directory = await temporaryDirectory()
  await using lake = await createDirectoryLake(directory.path)

  await expect(lake.upload(join(directory.path, 'nothing'), 'x')).rejects.toThrow(/ENOENT.*nothing/)
})

describe('scratch space', () => {
  test('of a killed process is removed when the lake is opened again; that of a living one stays', async () => {
    await using directory = await temporaryDirectory()
    const root = join(directory.path, 'lake')
    const script = `
      const { createDirectoryLake } = await import('@cinelake/lake/directory')
      const lake = await createDirectoryLake(process.argv[1])
      await lake.scratch()
      void lake.write('raw/half.csv', (async function* () { yield Buffer.from('half'); console.log('halfway'); await new Promise(() => setInterval(() => {}, 1000)) })())
    `
    const child = spawn(
      process.execPath,
      ['--conditions=@cinelake/source', '--input-type=module', '-e', script, root],
      {
        cwd: join(import.meta.dirname, '..'),
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    let output = ''
    child.stdout.on('data', (data) => (output += String(data)))
    await until('the other process is halfway through', () => output.includes('halfway'))

    await using lake = await createDirectoryLake(root)
    const whileAlive = await readdir(join(root, '.scratch'))
    child.kill('SIGKILL')
    await until('it is dead', () => child.signalCode !== null)
    await using reopened = await createDirectoryLake(root)
    const afterwards = await readdir(join(root, '.scratch'))

    expect(whileAlive).toHaveLength(2)
    expect(afterwards).toHaveLength(2)
    expect(afterwards.every((name) => name.includes(`_${process.pid}_`))).toBe(true)
    expect(await lake.stat('raw/half.csv')).toBeUndefined()
    expect(await reopened.stat('raw/half.csv')).toBeUndefined()
  })

  test('of an earlier process with our own id, as in a restarted container, is removed', async () => {
    await using directory = await temporaryDirectory()
    const machine = hostname().replaceAll(/[^A-Za-z0-9.-]/g, '-')
    await mkdir(join(directory.path, '.scratch', `${machine}_${process.pid}_1_old`), { recursive: true })
    await mkdir(join(directory.path, '.scratch', 'another-machine_1_1_busy'))

    await using _ = await createDirectoryLake(directory.path)

    const names = await readdir(join(directory.path, '.scratch'))
    expect(names.filter((name) => name.endsWith('_old'))).toEqual([])
    expect(names).toContain('another-machine_1_1_busy')
  })

  test('that somebody tidied away while the lake was in use is made again', async () => {
    await using directory = await temporaryDirectory()
    await using lake = await createDirectoryLake(directory.path)
    await rm(join(directory.path, '.scratch'), { recursive: true })

    await lake.put('a', 'x')

    expect(await lake.readText('a')).toBe('x')
  })

  test('is empty after every kind of write', async () => {
    await using directory = await temporaryDirectory()
    await using lake = await createDirectoryLake(directory.path)
    await lake.put('a', 'x')
    await lake.putIfAbsent('a', 'x')
    await lake.putIfAbsent('b', 'x')
    await expect(lake.put('a/below', 'x')).rejects.toMatchObject({ code: 'LAKE_PATH_INVALID' })
    await expect(
      lake.write(
        'c',
        (async function* () {
          yield Buffer.from('x')
          throw new Error('broken')
        })(),
      ),
    ).rejects.toThrow('broken')

    const [own = ''] = await readdir(join(directory.path, '.scratch'))
    expect(await readdir(join(directory.path, '.scratch', own))).toEqual([])
  })
})

describe('what the file system refuses', () => {
  test('a path below an object is refused as a path', async () => {
    await using directory = await temporaryDirectory()
    await using lake = await createDirectoryLake(directory.path)
    await lake.put('a', 'x')

    await expect(lake.put('a/b', 'x')).rejects.toMatchObject({ code: 'LAKE_PATH_INVALID' })
    await expect(lake.putIfAbsent('a/b/c', 'x')).rejects.toMatchObject({ code: 'LAKE_PATH_INVALID' })
  })

  test('a path that is a folder is refused as a path', async () => {
    await using directory = await temporaryDirectory()
    await using lake = await createDirectoryLake(directory.path)
    await lake.put('a/b', 'x')

    await expect(lake.put('a', 'x')).rejects.toMatchObject({ code: 'LAKE_PATH_INVALID' })
    await expect(lake.putIfAbsent('a', 'x')).rejects.toMatchObject({ code: 'LAKE_PATH_INVALID' })
  })

  test.skipIf(process.getuid?.() === 0)(
    'a folder that may not be written to is unavailable for now (needs a user other than root)',
    async () => {
      await using directory = await temporaryDirectory()
      await using lake = await createDirectoryLake(directory.path)
      await lake.put('closed/x', 'x')
      await chmod(join(directory.path, 'closed'), 0o500)

      await expect(lake.put('closed/y', 'y')).rejects.toMatchObject({
        code: 'LAKE_UNAVAILABLE',
        retryable: true,
        context: { reason: 'EACCES' },
      })
      await chmod(join(directory.path, 'closed'), 0o700)
    },
  )

  test.each([
    ['ENOSPC', 'LAKE_UNAVAILABLE', true, /disk is full/],
    ['EACCES', 'LAKE_UNAVAILABLE', true, /permissions/],
    ['EMFILE', 'LAKE_UNAVAILABLE', true, /ulimit/],
    ['EROFS', 'LAKE_UNAVAILABLE', true, /read-only/],
    ['ENOTDIR', 'LAKE_PATH_INVALID', false, /is an object/],
    ['ENAMETOOLONG', 'LAKE_PATH_INVALID', false, /too long/],
  ])('%s becomes %s', (code, expected, retryable, words) => {
    const translated = translate(Object.assign(new Error('x'), { code }), {
      what: 'put',
      path: 'a/b',
      location: 'file:/lake',
    })

    expect(translated).toMatchObject({ code: expected, retryable, message: expect.stringMatching(words) })
  })

  test('what is not about the storage stays what it is', () => {
    const error = new TypeError('a bug')

    expect(translate(error, { what: 'put', path: 'a', location: 'file:/lake' })).toBe(error)
  })

  test('a lake cannot be opened where there is a file', async () => {
    await using directory = await temporaryDirectory()
    await writeFile(join(directory.path, 'file'), '')

    await expect(createDirectoryLake(join(directory.path, 'file'))).rejects.toMatchObject({ code: 'LAKE_PATH_INVALID' })
  })
})
