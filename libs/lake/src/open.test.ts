import { recordingLog, temporaryDirectory } from '@cinelake/testkit'
import { startAdlsEndpoint } from '@cinelake/testkit/adls'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { noCredential, urlOf } from './adls/adls.fixture.ts'
import { lakeEnv, lakeSettings, openLake } from './open.ts'

const settingsOf = (env: Record<string, string>) => lakeSettings(z.object(lakeEnv).parse(env))

describe('a lake is opened by its address', () => {
  test('in a directory, by default', async () => {
    await using directory = await temporaryDirectory()
    expect(settingsOf({}).url).toBe('file:.cinelake/lake')

    await using lake = await openLake(settingsOf({ CINELAKE_LAKE: `file:${directory.path}` }), {
      credential: noCredential,
    })

    expect(lake.location).toBe(`file:${directory.path}`)
  })

  test('in Azure, with the key of a connection string, and says so without it', async () => {
    await using directory = await temporaryDirectory()
    await using endpoint = await startAdlsEndpoint({ directory: join(directory.path, 'account'), containers: ['lake'] })
    const log = recordingLog()

    await using lake = await openLake(
      settingsOf({
        CINELAKE_LAKE: urlOf(endpoint),
        CINELAKE_LAKE_CONNECTION_STRING: endpoint.connectionString,
        CINELAKE_SCRATCH: join(directory.path, 'scratch'),
        CINELAKE_SCRATCH_MIB: '64',
      }),
      { credential: noCredential, log },
    )
    await lake.put('a', 'hello')

    expect(await lake.readText('a')).toBe('hello')
    expect(log.lines).toMatchObject([{ facts: { lake: urlOf(endpoint) } }])
    expect(JSON.stringify(log.lines)).not.toContain(endpoint.account.key)
  })

  test('nowhere else', async () => {
    await expect(openLake(settingsOf({ CINELAKE_LAKE: 's3://x' }), { credential: noCredential })).rejects.toThrow(
      /`file:` or `abfss:` or `abfs:`, got `s3:`/,
    )
  })

  test('without a key or a signature the identity of the process is asked for', async () => {
    const asked = openLake(settingsOf({ CINELAKE_LAKE: 'abfss://lake@films.dfs.core.windows.net' }), {
      credential: noCredential,
    })

    await expect(asked).rejects.toThrow('nobody should have asked')
  })

  test('and one in a directory loads nothing of Azure', async () => {
    await using directory = await temporaryDirectory()
    const script = `
      import { registerHooks } from 'node:module'
      const loaded = []
      registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context) } })
      const { openLake } = await import('@cinelake/lake/open')
      await using _ = await openLake({ url: 'file:' + process.argv[1], scratch: {} }, {})
      process.exitCode = loaded.some((url) => url.includes('@azure')) ? 1 : 0
    `
    const cwd = join(import.meta.dirname, '..')
    const flags = ['--conditions=@cinelake/source', '--input-type=module', '-e', script]

    const { status } = spawnSync(process.execPath, [...flags, directory.path], { cwd })

    expect(status).toBe(0)
  })
})
