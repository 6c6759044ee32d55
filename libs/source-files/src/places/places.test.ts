// @module-tag slow: servers of three kinds
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import { sha256 } from '@cinelake/core'
import { startHttp, temporaryDirectory } from '@cinelake/testkit'
import { startAdlsEndpoint } from '@cinelake/testkit/adls'
import { startS3Server, withoutS3Server } from '@cinelake/testkit/s3'
import { startSftpServer, withoutSftpServer } from '@cinelake/testkit/sftp'
import { mkdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { FilesDataset, FilesSource } from '../config/index.ts'
import { type Agent, aFilesSource, givenAgent } from '../source-files.fixture.ts'

/** A server, and a new folder on it. */
type Server = AsyncDisposable & {
  newFolder(): Promise<{
    readonly source: Partial<FilesSource> & { readonly path: string }
    readonly settings: Record<string, string>
    put(name: string, content: string | Buffer): Promise<void>
    /** Undefined: there is no such file. */
    get(name: string): Promise<string | undefined>
    /** Makes a file older than the clock of the agent. */
    age(name: string): Promise<void>
  }>
}

const LONG_AGO = new Date('2026-01-01')

async function azure(): Promise<Server> {
  const stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await temporaryDirectory())
  const endpoint = stack.use(await startAdlsEndpoint({ directory, containers: ['drops'], pageSize: 2 }))
  const { name, key } = endpoint.account
  const container = new ContainerClient(`${endpoint.url}/drops`, new StorageSharedKeyCredential(name, key))
  return {
    async newFolder() {
      const folder = crypto.randomUUID()
      const blob = (file: string) => container.getBlockBlobClient(`${folder}/${file}`)
      return {
        source: {
          path: `abfs://drops@${name}.127.0.0.1:${endpoint.port}/${folder}`,
          auth: { accountKey: '${secret:PLACE_KEY}' },
        },
        settings: { PLACE_KEY: key },
        put: async (file, content) => void (await blob(file).upload(content, Buffer.byteLength(content))),
        get: async (file) =>
          (await blob(file).exists()) ? (await blob(file).downloadToBuffer()).toString() : undefined,
        age: async () => {},
      }
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

async function sftp(): Promise<Server> {
  const server = await startSftpServer()
  return {
    async newFolder() {
      const folder = join(server.directory, crypto.randomUUID())
      await mkdir(folder)
      return {
        source: {
          path: `sftp://${server.user}@127.0.0.1:${server.port}${folder}`,
          auth: { privateKey: '${secret:PLACE_KEY}' },
          hostKeys: [server.hostKeys[0]],
        },
        settings: { PLACE_KEY: server.privateKey },
        async put(file, content) {
          await mkdir(dirname(join(folder, file)), { recursive: true })
          await writeFile(join(folder, file), content)
        },
        get: async (file) => await readFile(join(folder, file), 'utf8').catch(() => undefined),
        age: async (file) => await utimes(join(folder, file), LONG_AGO, LONG_AGO),
      }
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

async function s3(): Promise<Server> {
  const server = await startS3Server()
  const credentials = { accessKeyId: 'someone', secretAccessKey: 'key' }
  const client = new S3Client({ endpoint: server.endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
  return {
    async newFolder() {
      const Bucket = crypto.randomUUID()
      await client.send(new CreateBucketCommand({ Bucket }))
      const at = (file: string) => ({ Bucket, Key: `in/${file}` })
      return {
        source: {
          path: `s3://${Bucket}/in`,
          endpoint: server.endpoint,
          auth: { keyId: 'someone', secretKey: '${secret:PLACE_KEY}' },
        },
        settings: { PLACE_KEY: 'key' },
        put: async (file, content) =>
          void (await client.send(new PutObjectCommand({ ...at(file), Body: Buffer.from(content) }))),
        get: async (file) =>
          await client.send(new GetObjectCommand(at(file))).then(
            async ({ Body }) => await Body?.transformToString(),
            () => undefined,
          ),
        age: async () => {},
      }
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

const SERVERS = [
  { kind: 'Azure', start: azure, without: undefined },
  { kind: 'SFTP', start: sftp, without: withoutSftpServer },
  { kind: 'S3', start: s3, without: withoutS3Server },
] as const

const TASK = 'ingest catalogue/titles'

for (const { kind, start, without } of SERVERS) {
  const reason = without === undefined ? '' : ` (${without})`
  describe.skipIf(without !== undefined)(`files of ${kind}${reason}`, () => {
    let server: Server
    let stack: AsyncDisposableStack
    let folder: Awaited<ReturnType<Server['newFolder']>>
    beforeAll(async () => {
      server = await start()
    })
    afterAll(async () => await server[Symbol.asyncDispose]())
    beforeEach(async () => {
      stack = new AsyncDisposableStack()
      folder = await server.newFolder()
    })
    afterEach(() => stack.disposeAsync())

    async function given(fields: Partial<FilesDataset> = {}): Promise<Agent> {
      const { source, settings } = folder
      const dataset = aFilesSource({ path: source.path, ...fields })
      return stack.use(await givenAgent({ sources: [{ ...dataset, ...source }], settings }))
    }
    const namesIn = async (agent: Agent, label = '2026-03-01') =>
      (await agent.manifest(TASK, { label }))?.files.map(({ name }) => name)

    test('land byte for byte, of the window of their names', async () => {
      const bytes = Buffer.from(Uint8Array.from({ length: 2_500_000 }, (_, index) => (index * 31) % 256))
      await folder.put('berlin/titles_20260301.csv', bytes)
      await folder.put('paris/titles_20260301 (été).csv', 'x')
      await folder.put('paris/titles_20260302.csv', 'tomorrow')
      await folder.put('.trash/titles_20260301.csv', 'no')
      await folder.put('readme.txt', 'no')
      const agent = await given({ files: '**/titles_{yyyy}{MM}{dd}*.csv' })

      const outcome = await agent.ingest()

      expect(outcome).toMatchObject({ output: { kind: 'landed', fileCount: 2, sizeBytes: 2_500_001 } })
      const manifest = await agent.manifest(TASK)
      expect(manifest?.files).toMatchObject([
        { name: 'berlin/titles_20260301.csv', sizeBytes: 2_500_000, sha256: sha256(bytes) },
        { name: 'paris/titles_20260301 (été).csv', sizeBytes: 1, sha256: sha256('x') },
      ])
      expect(agent.landedBytes(manifest?.files[0]?.path ?? '').equals(bytes)).toBe(true)
    })

    test('that did not come are missing, by the name of their place', async () => {
      await folder.put('other.txt', 'x')
      const agent = await given()

      await expect(agent.ingest()).rejects.toMatchObject({
        code: 'FILES_MISSING',
        message: expect.stringContaining('titles_{yyyy}{MM}{dd}*.csv below '),
      })
    })

    test('land once, and are read once', async () => {
      await folder.put('a.csv', 'one')
      await folder.age('a.csv')
      const agent = await given({ files: '*.csv', once: true, whenMissing: 'skip' })
      await agent.ingest({ label: '2026-03-01' })
      await folder.put('b.csv', 'two')
      await folder.put('copy.csv', 'one')
      for (const name of ['b.csv', 'copy.csv']) await folder.age(name)

      await agent.ingest({ label: '2026-03-02', since: '2026-03-01T23:00:00.000Z' })
      await agent.ingest({ label: '2026-03-03', since: '2026-03-02T23:00:00.000Z' })

      expect(await namesIn(agent)).toEqual(['a.csv'])
      expect(await namesIn(agent, '2026-03-02')).toEqual(['b.csv'])
      expect(await namesIn(agent, '2026-03-03')).toEqual([])
      const seen = (await agent.pathsInRaw()).filter((path) => path.includes('/_seen/'))
      expect(seen).toHaveLength(3)
    })

    test('that get another content of the same length at once land again', async () => {
      await folder.put('a.csv', 'one')
      const agent = await given({ files: '*.csv', once: true })
      await agent.ingest({ label: '2026-03-01' })
      await folder.put('a.csv', 'two')

      await agent.ingest({ label: '2026-03-02', since: '2026-03-01T23:00:00.000Z' })

      expect((await agent.manifest(TASK, { label: '2026-03-02' }))?.files).toMatchObject([{ sha256: sha256('two') }])
    })

    test('that changed land again, though they land once', async () => {
      await folder.put('a.csv', 'one')
      const agent = await given({ files: '*.csv', once: true })
      await agent.ingest({ label: '2026-03-01' })
      await folder.put('a.csv', 'other, and longer')

      await agent.ingest({ label: '2026-03-02', since: '2026-03-01T23:00:00.000Z' })

      expect(await namesIn(agent, '2026-03-02')).toEqual(['a.csv'])
    })

    test('that come late are reported', async () => {
      await folder.put('titles_20260301.csv', 'x')
      await folder.put('titles_20260302.csv', 'y')
      const agent = await given()
      await agent.ingest({ label: '2026-03-01' })
      await folder.put('titles_20260301_more.csv', 'z')

      await agent.ingest({ label: '2026-03-02' })

      expect((await agent.manifest(TASK, { label: '2026-03-02' }))?.late).toEqual([
        { name: 'titles_20260301_more.csv', window: '2026-03-01' },
      ])
    })

    test('without their marker are not complete', async () => {
      await folder.put('titles_20260301.csv', 'x')
      const agent = await given({ marker: '{name}.done' })

      await expect(agent.ingest()).rejects.toMatchObject({ code: 'FILES_FILE_UNSTABLE' })
      await folder.put('titles_20260301.csv.done', '')
      expect(await agent.ingest({ attempt: 2 })).toMatchObject({ output: { fileCount: 1 } })
    })

    test('that are young and do not change are complete after the quiet period', async () => {
      await folder.put('titles_20260301.csv', 'x')
      const agent = await given({ restMs: 20 })

      expect(await agent.ingest()).toMatchObject({ output: { fileCount: 1 } })
    })

    test('are moved into the archive when they have landed, with their markers', async () => {
      await folder.put('titles_20260301.csv', 'x')
      await folder.put('titles_20260301.csv.done', '')
      const agent = await given({ marker: '{name}.done', afterLanding: { archive: './done/' } })

      const outcome = await agent.ingest()

      expect(outcome.quality).toEqual([])
      expect(await folder.get('titles_20260301.csv')).toBeUndefined()
      expect(await folder.get('done/titles_20260301.csv')).toBe('x')
      expect(await folder.get('done/titles_20260301.csv.done')).toBe('')
    })

    test('are not overwritten in the archive, and never landed from there', async () => {
      await folder.put('done/titles_20260301.csv', 'older')
      await folder.put('titles_20260301.csv', 'x')
      const agent = await given({ files: '**/titles_{yyyy}{MM}{dd}*.csv', afterLanding: { archive: 'done' } })

      await agent.ingest()

      expect(await namesIn(agent)).toEqual(['titles_20260301.csv'])
      expect(await folder.get('done/titles_20260301.csv')).toBe('older')
      expect(await folder.get(`done/titles_20260301.csv.${sha256('x').slice(0, 16)}`)).toBe('x')
    })

    test('are deleted when they have landed', async () => {
      await folder.put('titles_20260301.csv', 'x')
      const agent = await given({ afterLanding: 'delete' })

      await agent.ingest()

      expect(await folder.get('titles_20260301.csv')).toBeUndefined()
    })

    test.skipIf(kind === 'S3')(
      'need credentials that are accepted; no error shows them (the S3 server takes any)',
      async () => {
        await folder.put('titles_20260301.csv', 'x')
        const wrong = Buffer.from('another key').toString('base64')
        const { source } = folder
        const agent = stack.use(
          await givenAgent({
            sources: [{ ...aFilesSource({ path: source.path }), ...source }],
            settings: { PLACE_KEY: wrong },
          }),
        )

        const error: unknown = await agent.ingest().catch((thrown: unknown) => thrown)

        expect(error).toMatchObject({ code: 'PLACE_REFUSED', retryable: false })
        expect(String(error)).not.toContain(wrong)
      },
    )
  })
}

describe('files of an HTTP server', () => {
  test('are asked for by the names that a window can have, and late ones as well', async () => {
    const files = new Map([
      ['/in/a_20260301.csv', 'x'],
      ['/in/b_20260301.csv', 'y'],
    ])
    await using server = await startHttp((request, response) => {
      const content = files.get(request.url ?? '')
      if (content === undefined || request.headers.authorization !== 'Bearer T') {
        response.writeHead(404).end()
        return
      }
      response.writeHead(200, { etag: `"${sha256(content)}"`, 'content-length': String(content.length) })
      response.end(request.method === 'HEAD' ? undefined : content)
    })
    const dataset = aFilesSource({ path: `${server.url}/in`, files: '{a,b}_{yyyy}{MM}{dd}.csv', once: true })
    const source = { ...dataset, auth: { token: '${secret:PLACE_KEY}' } }
    await using agent = await givenAgent({ sources: [source], settings: { PLACE_KEY: 'T' } })
    await agent.ingest({ label: '2026-03-02' }).catch(() => {})
    files.delete('/in/b_20260301.csv')
    await agent.ingest({ label: '2026-03-01' })
    files.set('/in/b_20260301.csv', 'late').set('/in/a_20260302.csv', 'z')

    await agent.ingest({ label: '2026-03-02', since: '2026-03-01T23:00:00.000Z', attempt: 2 })

    expect((await agent.manifest(TASK))?.files.map(({ name }) => name)).toEqual(['a_20260301.csv'])
    const second = await agent.manifest(TASK, { label: '2026-03-02' })
    expect(second?.files.map(({ name }) => name)).toEqual(['a_20260302.csv'])
    expect(second?.late).toEqual([{ name: 'b_20260301.csv', window: '2026-03-01' }])
  })
})
