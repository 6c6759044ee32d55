import { silentLog } from '@cinelake/core'
import { temporaryDirectory } from '@cinelake/testkit'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createDatabases, openDatabase } from './open.ts'
import { noCredential } from './no-credential.fixture.ts'
import { databaseSettings } from './database.ts'

const deps = { log: silentLog, credential: noCredential }

test('an address of a server chooses its adapter', async () => {
  await using postgres = await openDatabase({ url: 'postgres://ops@127.0.0.1:1/runs' }, deps)
  expect(postgres).toMatchObject({ adapter: 'postgres', location: 'postgres://127.0.0.1:1/runs' })

  await using same = await openDatabase({ url: 'postgresql://ops@127.0.0.1:1/runs' }, deps)
  expect(same).toMatchObject({ adapter: 'postgres', location: 'postgres://127.0.0.1:1/runs' })

  await expect(openDatabase({ url: 'mssql://ops:p@127.0.0.1:1/runs' }, deps)).rejects.toMatchObject({
    code: 'WAREHOUSE_UNAVAILABLE',
    message: expect.stringContaining('mssql://127.0.0.1:1/runs'),
  })
})

test.each([
  [
    'mysql://root:hunter2@h/runs',
    'expected an address with the scheme `pglite:` or `postgres:` or `postgresql:` or `mssql:`',
  ],
  ['duckdb:runs.duckdb', 'expected an address with the scheme'],
  ['postgres://ops:hunter2@h', 'expected a database'],
  ['mssql://ops@h/runs', 'CINELAKE_DATABASE_PASSWORD'],
])('%s is refused without being shown, by the name of its setting', async (url, message) => {
  const open = openDatabase({ url, setting: 'CINELAKE_DATABASE' }, deps)

  await expect(open).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(message) })
  await expect(open).rejects.toThrow('CINELAKE_DATABASE cannot be used')
  await expect(open).rejects.not.toHaveProperty('message', expect.stringContaining('hunter2'))
})

test('one address is opened once; what could not be opened is tried again', async () => {
  await using directory = await temporaryDirectory()
  const file = join(directory.path, 'database')
  await using databases = createDatabases(deps)
  await writeFile(file, 'a file in the way')
  await expect(databases.open({ url: `pglite:${file}` })).rejects.toThrow(file)
  await rm(file)

  const [one, other] = await Promise.all(
    [`pglite:${file}`, `pglite:${file}/`].map(async (url) => databases.open({ url })),
  )

  expect(one).toBe(other)
}, 60_000)

const both = { CINELAKE_WAREHOUSE: 'postgres://u@h/d', CINELAKE_WAREHOUSE_PASSWORD: 'p' }
test.each([
  ['the warehouse, where nothing else is said', both, { url: 'postgres://u@h/d', password: 'p' }],
  [
    'the warehouse, however its scheme is spelled',
    { CINELAKE_WAREHOUSE: 'postgresql://u@h/d' },
    { url: 'postgresql://u@h/d' },
  ],
  [
    'one of its own, with its own password',
    { ...both, CINELAKE_DATABASE: 'mssql://u@h/d', CINELAKE_DATABASE_PASSWORD: 'q' },
    { url: 'mssql://u@h/d', password: 'q' },
  ],
  [
    'one of its own, and never the password of the warehouse',
    { ...both, CINELAKE_DATABASE: 'postgres://u@other/d' },
    { url: 'postgres://u@other/d' },
  ],
  [
    'the warehouse, named again',
    { ...both, CINELAKE_DATABASE: both.CINELAKE_WAREHOUSE },
    { url: 'postgres://u@h/d', password: 'p' },
  ],
  [
    'one of its own beside a warehouse that is no database',
    { CINELAKE_WAREHOUSE: 'duckdb:mart.duckdb', CINELAKE_DATABASE: 'pglite:runs' },
    { url: 'pglite:runs' },
  ],
])('the run history is in %s', (_, env, { url, ...rest }) => {
  const { setting, ...settings } = databaseSettings(env)
  expect(settings).toEqual({ url, ...rest })
  expect(setting).toBe('CINELAKE_DATABASE' in env ? 'CINELAKE_DATABASE' : 'CINELAKE_WAREHOUSE')
})

test('a warehouse that is no database for a run history asks for one', () => {
  expect(() => databaseSettings({ CINELAKE_WAREHOUSE: 'duckdb:mart.duckdb' })).toThrow(
    /CINELAKE_DATABASE: expected pglite:DIR, postgres:\/\/… or mssql:\/\/…/,
  )
})
