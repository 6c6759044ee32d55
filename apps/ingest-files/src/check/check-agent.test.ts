// @module-tag slow: takes long
import type { MessageBus } from '@cinelake/bus'
import { createMemoryBus } from '@cinelake/bus/memory'
import { systemClock, TransientError, type Clock } from '@cinelake/core'
import type { Lake } from '@cinelake/lake'
import { createDirectoryLake } from '@cinelake/lake/directory'
import type { CheckedPipeline } from '@cinelake/pipeline'
import { createFill } from '@cinelake/secrets'
import { createEnvSecrets } from '@cinelake/secrets/env'
import { selfSignedCertificate, temporaryDirectory, until } from '@cinelake/testkit'
import { startConnectProxy } from '@cinelake/testkit/connect-proxy'
import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { IngestFilesEnv } from '../config.ts'
import { startPostgres } from '../database/postgres-server.fixture.ts'
import { aFilesSource, drop } from '../ingest-files.fixture.ts'
import { checkAgent, type CheckAgentDeps } from './check-agent.ts'
import type { Finding } from './finding.ts'

class Away extends TransientError {
  readonly code = 'TEST_AWAY'
}

let stack: AsyncDisposableStack
let directory: string
beforeEach(async () => {
  stack = new AsyncDisposableStack()
  directory = stack.use(await temporaryDirectory()).path
})
afterEach(() => stack.disposeAsync())

/** What the checks of a machine find, by their names. */
async function findingsOf(fields: Partial<CheckAgentDeps> & { settings?: Record<string, string> } = {}) {
  const settings: Record<string, string> = {
    CINELAKE_SITE: 'hq',
    CINELAKE_BUS: 'sb://bus.example.net',
    CINELAKE_LAKE: 'abfss://lake@account.dfs.core.windows.net',
    CINELAKE_SCRATCH: join(directory, 'scratch'),
    ...fields.settings,
  }
  const bus = createMemoryBus()
  const deps: CheckAgentDeps = {
    config: IngestFilesEnv.parse(settings),
    openBus: async () => bus,
    openLake: () => createDirectoryLake(join(directory, 'lake')),
    fill: createFill({ settings, secrets: createEnvSecrets(settings) }),
    pipeline: undefined,
    worker: 'host:1',
    clock: systemClock,
    redact: (text) => text,
    signal: new AbortController().signal,
    ...fields,
    settings,
  }
  const findings = new Map<string, Omit<Finding, 'check'>>()
  for await (const { check, ...finding } of checkAgent(deps)) findings.set(check, finding)
  return findings
}

const aPipeline = (sources: CheckedPipeline['sources']) => ({ sources }) as CheckedPipeline

describe('a machine that has all that it needs', () => {
  test('is told so, check by check, and nothing stays in the lake', async () => {
    const findings = await findingsOf()

    expect([...findings].map(([check, { outcome }]) => `${check}: ${outcome}`)).toEqual([
      'version: fine',
      'disk: fine',
      'proxy: skipped',
      'certificates: skipped',
      'bus: commands: fine',
      'bus: events: fine',
      'lake: fine',
      'clock: fine',
    ])
    const lake = await createDirectoryLake(join(directory, 'lake'))
    const left = []
    for await (const { path } of lake.list('')) left.push(path)
    expect(left).toEqual([])
  })

  test('has a proxy that answers, and certificates that can be read', async () => {
    await using proxy = await startConnectProxy()
    const file = join(directory, 'company.pem')
    await writeFile(file, selfSignedCertificate().certificate)

    const findings = await findingsOf({
      settings: { HTTPS_PROXY: proxy.url, NO_PROXY: 'intranet.example', NODE_EXTRA_CA_CERTS: file },
    })

    expect(findings.get('proxy')).toMatchObject({
      outcome: 'fine',
      detail: expect.stringContaining('intranet.example'),
    })
    expect(findings.get('proxy')?.detail).toContain('without ?transport=websockets')
    expect(findings.get('certificates')).toMatchObject({ outcome: 'fine', detail: expect.stringMatching(/^1 more/) })
  })
})

describe('what is to be mended', () => {
  test.each([
    ['a proxy that is not there', { HTTPS_PROXY: 'http://127.0.0.1:9' }, 'proxy', /127\.0\.0\.1:9 does not answer \(E/],
    ['a proxy that is no address', { HTTPS_PROXY: 'proxy.example:3128' }, 'proxy', /expected http:\/\/HOST:PORT/],
    ['a proxy under another name', { https_proxy: 'http://p:1' }, 'proxy', /https_proxy is set and HTTPS_PROXY is not/],
    ['certificates that are not there', { NODE_EXTRA_CA_CERTS: '/no/such.pem' }, 'certificates', /no file that can be/],
    ['certificates that are none', { NODE_EXTRA_CA_CERTS: '/dev/null' }, 'certificates', /a file without one/],
  ] as readonly (readonly [string, Record<string, string>, string, RegExp])[])(
    '%s',
    async (_what, settings, check, words) => {
      const finding = (await findingsOf({ settings })).get(check)

      expect(finding).toMatchObject({ outcome: 'problem', detail: expect.stringMatching(words) })
    },
  )

  test('a bus that refuses, and one that does not answer', async () => {
    const refusing = { ...createMemoryBus(), deadLetters: () => Promise.reject(new Away('closed: open it', {})) }
    const silent = { ...createMemoryBus(), publish: () => new Promise<never>(() => {}) }

    const refused = await findingsOf({ openBus: async () => refusing })
    const unanswered = await findingsOf({ openBus: async () => silent, timeoutMs: 50 })

    expect(refused.get('bus: commands')).toEqual({ outcome: 'problem', detail: 'closed: open it' })
    expect(unanswered.get('bus: events')).toMatchObject({
      outcome: 'problem',
      detail: expect.stringContaining('expected one within 0.05 s'),
    })
  })

  test('a bus that cannot be opened; the rest is looked at all the same', async () => {
    const openBus = () => Promise.reject(new Away('the connection string names no endpoint', {}))

    const findings = await findingsOf({ openBus })

    expect(findings.get('bus')).toEqual({ outcome: 'problem', detail: 'the connection string names no endpoint' })
    expect(findings.get('lake')).toMatchObject({ outcome: 'fine' })
  })

  test('a bus of this process: it is no agent yet, and the bus is not opened', async () => {
    const openBus = () => Promise.reject(new Error('opened all the same'))

    const findings = await findingsOf({ settings: { CINELAKE_BUS: 'memory:' }, openBus })

    expect(findings.get('bus')).toMatchObject({
      outcome: 'problem',
      detail: expect.stringMatching(/no agent yet: expected CINELAKE_BUS=sb:.*got memory:; .*docs\/on-prem-agent\.md/),
    })
  })

  test('a bus that opens when nobody waits for it any more is closed', async () => {
    const late = Promise.withResolvers<MessageBus>()
    let isClosed = false
    const bus = { ...createMemoryBus(), [Symbol.asyncDispose]: async () => void (isClosed = true) }

    const findings = await findingsOf({ openBus: async () => await late.promise, timeoutMs: 50 })
    late.resolve(bus)

    expect(findings.get('bus')).toMatchObject({ outcome: 'problem', detail: expect.stringContaining('no answer') })
    await until('it is closed', () => isClosed)
  })

  test('a lake that may not be written to; the clock then cannot be told', async () => {
    const openLake = async (): Promise<Lake> => {
      throw new Away('lake is unavailable: give the role', {})
    }

    const findings = await findingsOf({ openLake })

    expect(findings.get('lake')).toEqual({ outcome: 'problem', detail: 'lake is unavailable: give the role' })
    expect(findings.get('clock')).toMatchObject({ outcome: 'skipped' })
  })

  test.each([
    ['ahead of', 120_000],
    ['behind', -120_000],
  ])("a clock that is %s the lake's", async (way, byMs) => {
    const clock: Clock = () => new Date(Date.now() + byMs)

    const finding = (await findingsOf({ clock })).get('clock')

    expect(finding).toMatchObject({ outcome: 'problem', detail: expect.stringContaining(`${way} the lake's`) })
  })

  test('secrets are not in what is said', async () => {
    const openLake = async (): Promise<Lake> => {
      throw new Away('key hunter2 was refused', {})
    }

    const findings = await findingsOf({ openLake, redact: (text) => text.replaceAll('hunter2', '***') })

    expect(findings.get('lake')?.detail).toBe('key *** was refused')
  })
})

describe("a pipeline's sources of this site", () => {
  test('are looked at, others are not', async () => {
    const folder = join(directory, 'drop')
    await drop(folder, { 'titles_20260301.csv': 'x', 'titles_20260302.csv': 'y' })
    const here = { ...aFilesSource({ path: '${DROP}', afterLanding: { archive: 'done' } }), site: 'hq' }
    const there = { ...aFilesSource({ path: '/nowhere' }), name: 'elsewhere', site: 'lyon' }
    const gone = { ...aFilesSource({ path: '/nowhere' }), name: 'gone', site: 'hq' }

    const findings = await findingsOf({
      settings: { DROP: folder },
      pipeline: aPipeline([here, there, gone] as CheckedPipeline['sources']),
    })

    expect(findings.get('folder catalogue/titles')).toMatchObject({
      outcome: 'fine',
      detail: expect.stringMatching(/2 files like titles_.* and may be moved away or deleted/),
    })
    expect(findings.has('folder elsewhere/titles')).toBe(false)
    expect(findings.get('folder gone/titles')).toMatchObject({
      outcome: 'problem',
      detail: expect.stringContaining("correct the source's `path`"),
    })
  })

  describe('of a database', () => {
    const checked = async (url: string, fields: object) => {
      const source = { type: 'database', name: 'erp', site: 'hq', url, include: [], exclude: [], ...fields }
      const findings = await findingsOf({ pipeline: aPipeline([source] as unknown as CheckedPipeline['sources']) })
      return findings.get('database erp')
    }
    const table = (name: string) => ({ schema: 'public', name })

    test('every declared table and every column that is named has to be there', async () => {
      await using server = await startPostgres()
      await server.db.exec('CREATE TABLE orders (id int PRIMARY KEY, at timestamptz, note text)')
      const datasets = [
        { name: 'gone', table: table('order') },
        { name: 'timed', table: table('orders'), incremental: { column: 'changed' } },
        { name: 'worded', table: table('orders'), incremental: { column: 'at', orColumns: ['note'] } },
        { name: 'parted', table: table('orders'), split: { ranges: 2, column: 'no', minRows: 0, resume: true } },
      ]

      const finding = await checked(server.url, { datasets })

      expect(finding).toMatchObject({ outcome: 'problem', detail: expect.stringContaining('4 things to mend') })
      expect(finding?.detail).toMatch(/table is not there \[.* table=public\.order\].*correct the dataset's `table`/)
      expect(finding?.detail).toMatch(/incremental=changed\].*no such column/)
      expect(finding?.detail).toMatch(/incremental=note\].*expected a date, a timestamp or a number, got text/)
      expect(finding?.detail).toMatch(/split\.column=no\].*no such column/)
    })

    test('one that is missing is told as the task would tell it, also beside patterns', async () => {
      await using server = await startPostgres()
      await server.db.exec('CREATE TABLE orders (id int)')

      const finding = await checked(server.url, { include: ['public.*'], datasets: [{ name: 'g', table: table('g') }] })

      expect(finding).toMatchObject({ outcome: 'problem', detail: expect.stringMatching(/^table is not there \[/) })
    })

    test('what is there is counted once, whether declared or meant by a pattern', async () => {
      await using server = await startPostgres()
      await server.db.exec(
        'CREATE TABLE orders (id int, at date); CREATE TABLE lines (id int); CREATE VIEW busy AS SELECT 1 AS id',
      )
      const orders = { name: 'orders', table: table('orders'), incremental: { column: 'at' } }
      const datasets = [orders, { name: 'busy', table: table('busy') }]

      expect(await checked(server.url, { datasets })).toMatchObject({
        outcome: 'fine',
        detail: 'answers; 2 tables to copy are to be seen',
      })
      expect(await checked(server.url, { include: ['public.*'], datasets })).toMatchObject({
        outcome: 'fine',
        detail: 'answers; 3 tables to copy are to be seen',
      })
    })
  })

  test('a folder is shown as the absolute path that was looked at', async () => {
    const source = { ...aFilesSource({ path: 'no/such/drop' }), site: 'hq' }

    const findings = await findingsOf({ pipeline: aPipeline([source] as CheckedPipeline['sources']) })

    expect(findings.get('folder catalogue/titles')?.detail).toContain(`folder=${resolve('no/such/drop')}]`)
  })
})
