// @module-tag slow: needs a server or a container
import { temporaryDirectory } from '@cinelake/testkit'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findPostgres } from '@cinelake/testkit/postgres'
import { afterAll, expect, test } from 'vitest'
import { noProgress } from './output/progress.ts'
import { plainPaint, type Terminal } from './output/terminal.ts'
import { openPlatform } from './platform.ts'
import { usablePipeline } from './read-folder.ts'
import { runWindows } from './run-windows.ts'
import { platformConfig } from './settings.ts'
import { aStarter, cinelake } from './testing.fixture.ts'
import { chosenWindows } from './windows.ts'

const PIPELINE = `pipeline: mine
schedule: { every: day, start: 2026-03-01 }
retry: { attempts: 1 }
sources:
  erp:
    type: database
    url: mssql://127.0.0.1:1/erp
    datasets:
      orders: { table: dbo.orders }
`
const CONTRACT = `apiVersion: v3.1.0
kind: DataContract
id: orders
version: '1'
status: draft
schema:
  - { name: orders, properties: [{ name: id, logicalType: integer }] }
`

const { server, missing } = await findPostgres()
afterAll(async () => await server?.[Symbol.asyncDispose]())
const reason = missing === undefined ? '' : ` (${missing})`

test.skipIf(server === undefined)(
  `two processes never work on one database server at once${reason}`,
  async () => {
    await using given = await aStarter()
    if (server === undefined) return
    await using database = await server.createDatabase()
    const settings = { CINELAKE_WAREHOUSE: database.url }
    const run = async () =>
      await cinelake(['run', given.folder, '--window', '2026-03-01', '--state', given.state], settings)
    {
      await using _ = await openPlatform(platformConfig(settings, given.state), {}, silent)

      expect(await run()).toMatchObject({
        exitCode: 1,
        notes: expect.stringContaining('another process runs pipelines on the database'),
      })
    }

    expect(await run()).toMatchObject({ exitCode: 0 })
    expect(await cinelake(['status', '--state', given.state], settings)).toMatchObject({
      exitCode: 0,
      out: expect.stringMatching(/starter@2026-03-01 +succeeded/),
    })
  },
  120_000,
)

test('a database without a user is asked as the one that the platform is to Azure', async () => {
  await using directory = await temporaryDirectory()
  const folder = join(directory.path, 'mine')
  await mkdir(join(folder, 'contracts'), { recursive: true })
  await writeFile(join(folder, 'pipeline.yaml'), PIPELINE)
  await writeFile(join(folder, 'contracts', 'orders.yaml'), CONTRACT)
  const config = platformConfig({}, join(directory.path, 'state'))
  const pipeline = await usablePipeline(folder, config)
  let asked = 0
  const credential = () => {
    asked += 1
    return Promise.reject(new Error('nobody is signed in'))
  }
  await using platform = await openPlatform(config, {}, silent, { credential })

  const [run] = await runWindows(platform, pipeline, chosenWindows(pipeline, { window: '2026-03-01' }, new Date()), {
    origin: { folder },
    progress: noProgress,
    signal: new AbortController().signal,
  })

  expect(run?.tasks.find(({ name }) => name === 'discover erp')?.error?.message).toContain('nobody is signed in')
  expect(asked).toBeGreaterThan(0)
})

const silent: Terminal = {
  print() {},
  note() {},
  isInteractive: false,
  columns: () => 100,
  paint: plainPaint,
  ask: undefined,
}
