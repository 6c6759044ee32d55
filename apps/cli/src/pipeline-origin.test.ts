// @module-tag slow: takes long
import { openPgliteDatabase } from '@cinelake/warehouse/pglite'
import { cp, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { temporaryDirectory } from '@cinelake/testkit'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { aStarter, cinelake } from './testing.fixture.ts'

const window = ['--window', '2026-03-01']

test('init calls a pipeline like its folder, so that two folders are two pipelines', async () => {
  await using directory = await temporaryDirectory()
  const state = ['--state', join(directory.path, 'state')]
  const nameIn = async (folder: string) =>
    /^pipeline: (.*)$/m.exec(await readFile(join(directory.path, folder, 'pipeline.yaml'), 'utf8'))?.[1]

  const first = await cinelake(['init', join(directory.path, 'Mein Laden-2')])
  const second = await cinelake(['init', join(directory.path, 'other'), '--json'])

  expect(first.out).toContain('The pipeline is called mein_laden_2.')
  expect(JSON.parse(second.out)).toMatchObject({ pipeline: 'other' })
  expect([await nameIn('Mein Laden-2'), await nameIn('other')]).toEqual(['mein_laden_2', 'other'])
  for (const folder of ['Mein Laden-2', 'other'])
    expect((await cinelake(['validate', join(directory.path, folder)])).exitCode).toBe(0)
  const { out } = await cinelake(['run', join(directory.path, 'other'), ...window, ...state])
  expect(out).toMatch(/other@2026-03-01 +succeeded/)
})

test('a copied folder of the same name is refused with both folders, and changes nothing', async () => {
  await using given = await aStarter()
  const copy = join(given.folder, '..', 'copy')
  await cp(given.folder, copy, { recursive: true })
  await cinelake(['run', given.folder, ...window, '--state', given.state])
  const sales = async () =>
    (await cinelake(['query', 'SELECT * FROM sales_by_day', '--json', '--state', given.state])).out
  const before = await sales()

  for (const options of [window, ['--window', '2026-03-02'], [...window, '--again']]) {
    const { exitCode, notes } = await cinelake(['run', copy, ...options, '--state', given.state])
    expect(exitCode).toBe(2)
    expect(notes).toContain(`expected ${given.folder}, whose runs`)
    expect(notes).toContain(`got ${copy};`)
    expect(notes).toMatch(/`pipeline:` in its pipeline\.yaml.*--moved/)
  }
  expect(await sales()).toBe(before)
  const { runs } = JSON.parse((await cinelake(['status', '--json', '--state', given.state])).out) as { runs: unknown[] }
  expect(runs).toHaveLength(1)

  const file = join(copy, 'pipeline.yaml')
  await writeFile(file, (await readFile(file, 'utf8')).replace('pipeline: starter', 'pipeline: copy'))
  expect((await cinelake(['run', copy, '--window', '2099-01-01', '--state', given.state])).notes).not.toContain('taken')
})

test('a folder that was moved goes on when told so; by a link it is the same folder', async () => {
  await using given = await aStarter()
  const run = async (folder: string, ...options: string[]) =>
    await cinelake(['run', folder, ...window, '--state', given.state, ...options])
  await run(given.folder)
  const [elsewhere, link] = [join(given.folder, '..', 'elsewhere'), join(given.folder, '..', 'link')]

  await symlink(given.folder, link)
  expect(await run(link)).toMatchObject({ exitCode: 0, notes: expect.stringContaining('is done already') })
  await rename(given.folder, elsewhere)
  const file = join(elsewhere, 'pipeline.yaml')
  await writeFile(file, (await readFile(file, 'utf8')).replace(given.folder, elsewhere))
  expect(await run(elsewhere)).toMatchObject({ exitCode: 2 })
  expect(await run(elsewhere, '--moved')).toMatchObject({ exitCode: 0 })
  expect(await run(elsewhere)).toMatchObject({ exitCode: 0 })
})

test('a state of the version before takes the first folder that runs it', async () => {
  await using given = await aStarter()
  const run = async (folder: string) => await cinelake(['run', folder, ...window, '--state', given.state])
  await run(given.folder)
  {
    await using database = await openPgliteDatabase(`${given.state}/warehouse`)
    await database.pglite.exec(`
      DROP TABLE ops.owner, ops.pipeline_origins, ops.known_tables;
      ALTER TABLE ops.tasks DROP COLUMN digest, DROP COLUMN restart, DROP COLUMN facts;
      ALTER TABLE ops.attempts DROP COLUMN facts;
      ALTER TABLE ops.runs DROP COLUMN redo;
      DELETE FROM ops.kysely_migration WHERE name >= '0004'`)
  }

  expect(await run(given.folder)).toMatchObject({ exitCode: 0, notes: expect.stringContaining('is done already') })

  const copy = join(given.folder, '..', 'deep', 'copy')
  await mkdir(join(copy, '..'))
  await cp(given.folder, copy, { recursive: true })
  expect(await run(copy)).toMatchObject({ exitCode: 2, notes: expect.stringContaining(given.folder) })
})
