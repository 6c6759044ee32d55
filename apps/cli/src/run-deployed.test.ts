// @module-tag slow: takes long
import { until } from '@cinelake/testkit'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { aScheduler } from './scheduler.fixture.ts'
import { cinelake } from './testing.fixture.ts'

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))
const window = ['--window', '2026-03-01']

/** Something that listens, and is no scheduler. */
async function answering(answer: RequestListener) {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describe('with CINELAKE_API', () => {
  test('the scheduler runs the window, and the command follows it to its end', async () => {
    await using it = await aScheduler()

    const first = await it.cinelake('run', it.folder, ...window)

    expect({ exitCode: first.exitCode, notes: first.notes }).toMatchObject({ exitCode: 0 })
    expect(first.notes).toContain(`starter@2026-03-01 runs at ${it.url}`)
    expect(first.notes).toMatch(/^2026-03-01 {2}✓ refine orders .* 3 rows, 2 rejected, 1 duplicate$/m)
    expect(first.notes.match(/✓ load orders/g)).toHaveLength(1)
    expect(first.out).toMatch(/starter@2026-03-01 +succeeded +5 +0 +0/)

    const second = await it.cinelake('run', it.folder, ...window, '--json')
    expect(JSON.parse(second.out)).toMatchObject({ runs: [{ id: 'starter@2026-03-01', state: 'succeeded' }] })
    expect((await it.cinelake('run', it.folder, ...window)).notes).toContain('is done already; --again runs it once')

    const again = await it.cinelake('run', it.folder, '--from', '2026-03-01', '--to', '2026-03-02', '--again')
    expect(again.exitCode).toBe(0)
    expect(again.out).toMatch(/starter@2026-03-01 +succeeded[\s\S]*starter@2026-03-02 +succeeded/)
    expect((await it.scheduler.run('starter@2026-03-01'))?.tasks[0]?.generation).toBe(2)
  })

  test('what there is to see is what the scheduler shows', async () => {
    await using it = await aScheduler()
    const orders = join(it.folder, 'orders', 'orders_2026-03-01.csv')
    await rename(orders, `${orders}.late`)

    const failed = await it.cinelake('run', it.folder, ...window)

    expect(failed).toMatchObject({ exitCode: 1, out: expect.stringContaining('FILES_MISSING') })
    expect((await it.cinelake('status')).out).toMatch(/starter@2026-03-01 +failed/)
    expect((await it.cinelake('status', 'starter', '--failed')).out).toMatch(/starter@2026-03-01 +failed/)
    expect((await it.cinelake('status', 'starter@2026-03-01')).out).toMatch(/^ingest shop\/orders +failed/m)
    expect(await it.cinelake('status', 'starter@1999-01-01')).toMatchObject({ exitCode: 2 })
    expect((await it.cinelake('agents')).out).toBe('No agent has been heard of yet.\n')
    expect((await it.cinelake('demo')).exitCode).toBe(2)
  })

  test('another text than the folder’s, or none, is told before anything runs', async () => {
    await using it = await aScheduler()
    const file = join(it.folder, 'pipeline.yaml')
    const text = await readFile(file, 'utf8')

    await writeFile(file, text.replace('newestBy: [updated_at]', 'newestBy: [ordered_on]'))
    expect(await it.cinelake('run', it.folder, ...window)).toMatchObject({
      exitCode: 2,
      notes: expect.stringMatching(/another text of the pipeline.*pipeline=starter.*deploy this folder/),
    })
    await writeFile(file, text.replace('pipeline: starter', 'pipeline: startre'))
    expect(await it.cinelake('run', it.folder, ...window)).toMatchObject({
      exitCode: 2,
      notes: expect.stringMatching(/no such pipeline.*did you mean `starter`/),
    })
    await writeFile(file, text)
    for (const options of [
      ['--window', '2099-01-01'],
      [...window, '--moved'],
      [...window, '--adopt'],
    ])
      expect(await it.cinelake('run', it.folder, ...options)).toMatchObject({ exitCode: 2 })

    expect(await it.scheduler.runs()).toEqual([])
  })

  test('Ctrl-C ends the waiting alone, and says so', async () => {
    await using it = await aScheduler({ works: false })
    // oxlint-disable-next-line node/no-process-env -- handed on as it is
    const env = { ...process.env, CINELAKE_API: it.url }
    const args = [...process.execArgv, MAIN, 'run', it.folder, ...window]
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'pipe'] })
    let notes = ''
    child.stderr.setEncoding('utf8').on('data', (said: string) => (notes += said))
    const closed = once(child, 'close')
    await until('it waits', () => notes.includes('starter@2026-03-01 runs at'))

    child.kill('SIGINT')
    await closed

    expect(child.exitCode).toBe(130)
    expect(notes).toContain(
      `Stopped waiting. The runs continue at ${it.url}; \`cinelake status starter@2026-03-01\` shows`,
    )
    expect(await it.scheduler.run('starter@2026-03-01')).toMatchObject({ state: 'running' })
  })
})

describe('an address that is no scheduler’s', () => {
  const json = (status: number, body: string, headers: Record<string, string> = {}) =>
    ((_request, response) => {
      response.writeHead(status, headers).end(body)
    }) satisfies RequestListener

  test.each([
    ['asks who calls', json(401, 'who are you?'), 2, /does not let this call in.*status=401.*CINELAKE_API_TOKEN/],
    ['sends to a page to log in', json(302, '', { location: '/login' }), 2, /does not let this call in/],
    ['knows no such path', json(404, '<h1>not here</h1>'), 2, /not that of a scheduler's API.*status 404/],
    ['serves pages', json(200, '<h1>hello</h1>'), 2, /not that of a scheduler's API.*no JSON/],
    ['serves other JSON', json(200, '{"runs": 5}'), 2, /not that of a scheduler's API.*other JSON/],
    ['is overloaded', json(503, '{"code":"AWAY","message":"the database is away"}'), 1, /the database is away/],
  ])('and %s is told in words', async (_, answer, exitCode, words) => {
    await using server = await answering(answer)

    const status = await cinelake(['status'], { CINELAKE_API: server.url })

    expect({ exitCode: status.exitCode, notes: status.notes }).toEqual({
      exitCode,
      notes: expect.stringMatching(words),
    })
  })

  test('a token is sent to it, and never shown', async () => {
    const seen: (string | undefined)[] = []
    await using server = await answering((request, response) => {
      seen.push(request.headers.authorization)
      response.writeHead(403).end('no')
    })

    const { notes } = await cinelake(['status'], { CINELAKE_API: server.url, CINELAKE_API_TOKEN: 'hunter2hunter2' })

    expect(seen).toEqual(['Bearer hunter2hunter2'])
    expect(notes).not.toContain('hunter2')
  })

  test('where nothing listens this is told', async () => {
    const { url } = await answering(() => {}).then(async (server) => {
      await server[Symbol.asyncDispose]()
      return server
    })
    const { exitCode, notes } = await cinelake(['status'], { CINELAKE_API: url })

    expect({ exitCode, notes }).toEqual({
      exitCode: 1,
      notes: expect.stringMatching(/the scheduler does not answer .*ECONNREFUSED.*check CINELAKE_API/),
    })
  })

  test.each(['localhost:8080', 'ftp://host', 'http://user:hunter2@host', ''])('%j', async (address) => {
    const { exitCode, notes } = await cinelake(['status', '--json'], { CINELAKE_API: address, CINELAKE_BUS: 'memory:' })

    expect(exitCode).toBe(2)
    expect(notes).not.toContain('hunter2')
  })
})
