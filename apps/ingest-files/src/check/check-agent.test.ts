// @module-tag slow: takes long
import type { MessageBus } from '@cinelake/bus'
import { createMemoryBus } from '@cinelake/bus/memory'
import { systemClock, TransientError, type Clock } from '@cinelake/core'
import type { Lake } from '@cinelake/lake'
import { createDirectoryLake } from '@cinelake/lake/directory'
import type { CheckedPipeline, CheckedSource, FilesDataset } from '@cinelake/pipeline'
import { createFill } from '@cinelake/secrets'
import { createEnvSecrets } from '@cinelake/secrets/env'
import { selfSignedCertificate, temporaryDirectory, until } from '@cinelake/testkit'
import { startConnectProxy } from '@cinelake/testkit/connect-proxy'
import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { IngestFilesEnv } from '../config.ts'
import { checkAgent, type CheckAgentDeps } from './check-agent.ts'
import type { Finding } from './check-agent.ts'

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

/** A files source with one dataset `titles`. */
function aFilesSource({ path, ...rules }: Partial<FilesDataset> & { readonly path: string }): CheckedSource {
  const titles = { name: 'titles', files: 'titles_{yyyy}{MM}{dd}*.csv', whenMissing: 'fail', ...rules } as const
  return { type: 'files', name: 'catalogue', path, datasets: [titles] }
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
    await mkdir(folder)
    await writeFile(join(folder, 'titles_20260301.csv'), 'x')
    await writeFile(join(folder, 'titles_20260302.csv'), 'y')
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

  test('a folder is shown as the absolute path that was looked at', async () => {
    const source = { ...aFilesSource({ path: 'no/such/drop' }), site: 'hq' }

    const findings = await findingsOf({ pipeline: aPipeline([source] as CheckedPipeline['sources']) })

    expect(findings.get('folder catalogue/titles')?.detail).toContain(`folder=${resolve('no/such/drop')}]`)
  })
})
