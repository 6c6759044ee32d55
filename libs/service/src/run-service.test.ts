// @module-tag slow: starts programs
import { until } from '@cinelake/testkit'
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const GOOD = { DEMO_PORT: '1', DEMO_NAME: 'x' }

/** The service of the fixture as a process of its own, killed when the test ends. */
function start(settings: Record<string, string>) {
  const child = spawn(
    process.execPath,
    ['--conditions=@cinelake/source', join(import.meta.dirname, 'run-service.fixture.ts')],
    {
      env: settings,
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (data) => (output.stdout += String(data)))
  child.stderr.on('data', (data) => (output.stderr += String(data)))
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal })),
  )
  const lines = () =>
    output.stdout
      .split('\n')
      .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : []))
  return {
    output,
    lines,
    messages: () => lines().map(({ msg, name }) => (typeof name === 'string' ? [msg, name].join(' ') : msg)),
    isReady: () => until('the service is ready', () => output.stdout.includes('service is ready')),
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    ended,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

describe('stopping', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('%s closes what is used, last first, and ends with 0', async (signal) => {
    await using service = start(GOOD)
    await service.isReady()

    service.kill(signal)

    expect(await service.ended).toEqual({ code: 0, signal: null })
    expect(service.messages()).toEqual([
      'opened',
      'service is ready',
      'service stops',
      'closed intake',
      'closed bus',
      'closed lake',
      'service stopped',
    ])
  })

  test('a second signal ends it at once', async () => {
    await using service = start({ ...GOOD, DEMO_FAULT: 'hang' })
    await service.isReady()
    service.kill('SIGTERM')
    await until('it is closing', () => service.output.stdout.includes('closed'))

    service.kill('SIGTERM')

    expect(await service.ended).toEqual({ code: 143, signal: null })
  })

  test('what cannot be closed does not keep the rest open, and ends with 1', async () => {
    await using service = start({ ...GOOD, DEMO_FAULT: 'dispose' })
    await service.isReady()

    service.kill('SIGTERM')

    expect((await service.ended).code).toBe(1)
    expect(service.messages()).toEqual(
      expect.arrayContaining(['closed intake', 'closed bus', 'closed lake', 'service failed']),
    )
  })
})

describe('starting', () => {
  test('with settings that cannot be used prints every problem and ends with 78', async () => {
    await using service = start({
      DEMO_PORT: 'many',
      CINELAKE_LOG_LEVEL: 'loud',
      CINELAKE_HEALTH_PORT: '99999',
      DEMO_NAME: '',
    })

    expect((await service.ended).code).toBe(78)
    const problems = service.output.stderr.split('\n').filter((line) => line.startsWith('  - '))
    expect(problems).toEqual([
      expect.stringContaining('CINELAKE_LOG_LEVEL'),
      expect.stringContaining('CINELAKE_HEALTH_PORT'),
      expect.stringContaining('DEMO_PORT'),
      expect.stringContaining('DEMO_NAME is not set'),
    ])
    expect(service.output.stderr).not.toContain('many')
  })

  test('with an adapter that cannot be made of its settings ends with 78 as well', async () => {
    await using service = start({ ...GOOD, DEMO_FAULT: 'config' })

    expect((await service.ended).code).toBe(78)
    expect(service.output.stderr).toContain('  - expected a folder')
  })

  test('that fails closes what was open and ends with 1', async () => {
    await using service = start({ ...GOOD, DEMO_FAULT: 'start' })

    expect((await service.ended).code).toBe(1)
    expect(service.messages()).toEqual(['closed bus', 'closed lake', 'service failed', 'service stopped'])
    expect(service.lines().at(-2)).toMatchObject({
      level: 'error',
      service: 'demo',
      code: 'UNEXPECTED_ERROR',
      err: { message: 'no connection to nothing' },
    })
  })
})

test('a crash is logged like everything else and ends the process', async () => {
  await using service = start({ ...GOOD, DEMO_FAULT: 'crash' })

  expect((await service.ended).code).toBe(1)
  expect(service.lines().at(-1)).toMatchObject({
    level: 'error',
    msg: 'service crashed',
    err: { message: 'a bug with nothing' },
  })
})

describe('secrets', () => {
  test('are in no line, by name or by value', async () => {
    await using service = start({
      ...GOOD,
      DEMO_PASSWORD: 's3cret-value',
      DEMO_TEXT: 'x://me:s3cret-value@host',
      DEMO_LEARNT: 'learnt-later',
    })
    await service.isReady()

    expect(service.lines()[0]).toMatchObject({
      msg: 'opened',
      password: '[secret]',
      nested: { token: '[secret]' },
      text: 'x://me:[secret]@host',
      learnt: '[learnt]',
      redacted: 'x://me:[secret]@host [learnt]',
    })
    expect(service.output.stdout).not.toMatch(/hunter2|s3cret-value|learnt-later/)
  })

  test('are taken out of lines of every level, from the first one on', async () => {
    await using service = start({
      ...GOOD,
      CINELAKE_LOG_LEVEL: 'debug',
      DEMO_BUS: 'Endpoint=sb://host;SharedAccessKey=s3cret-value=',
      DEMO_TEXT: 's3cret-value=',
    })
    await service.isReady()

    expect(service.lines()[0]).toMatchObject({ level: 'debug', msg: 'begins', text: '[secret]' })
    expect(service.output.stdout).not.toContain('s3cret-value')
  })

  test('that are numbers leave lines that can be read', async () => {
    await using service = start({ ...GOOD, DEMO_TOKEN: '12345', DEMO_TEXT: '12345' })
    await service.isReady()

    expect(service.lines()[0]).toMatchObject({ level: 'info', msg: 'opened', number: '[secret]' })
    expect(service.lines()).toHaveLength(2)
  })

  test.each(['start', 'config', 'crash'] as const)('are in no word of what ends it: %s', async (fault) => {
    await using service = start({ ...GOOD, DEMO_FAULT: fault, DEMO_TOKEN: 's3cret-value', DEMO_TEXT: 's3cret-value' })

    expect((await service.ended).code).toBe(fault === 'config' ? 78 : 1)
    expect(service.output.stdout + service.output.stderr).toContain('[secret]')
    expect(service.output.stdout + service.output.stderr).not.toContain('s3cret-value')
  })
})

describe('probes', () => {
  test('say that the process answers and takes work, and give its numbers', async () => {
    const port = await freePort()
    await using service = start({ ...GOOD, CINELAKE_HEALTH_PORT: String(port) })
    await service.isReady()
    const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`)

    expect((await get('/healthz')).status).toBe(200)
    expect((await get('/readyz')).status).toBe(200)
    const metrics = await (await get('/metrics')).text()
    expect(metrics).toContain('cinelake_service_info{service="demo"} 1\n')
    expect(metrics).toContain('# TYPE demo_things_total counter\ndemo_things_total{kind="a \\"b\\""} 2\n')
    expect(metrics).toMatch(/process_resident_memory_bytes \d+/)
  })

  test('are not ready any more once the service stops', async () => {
    const port = await freePort()
    await using service = start({ ...GOOD, CINELAKE_HEALTH_PORT: String(port), DEMO_FAULT: 'hang' })
    await service.isReady()

    service.kill('SIGTERM')
    await until('it is closing', () => service.output.stdout.includes('closed'))

    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(503)
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200)
  })

  test('on a port that is taken are a problem of configuration', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, resolve))
    const address = server.address()
    await using service = start({
      ...GOOD,
      CINELAKE_HEALTH_PORT: String(typeof address === 'object' ? address?.port : 0),
    })

    expect((await service.ended).code).toBe(78)
    expect(service.output.stderr).toContain('CINELAKE_HEALTH_PORT cannot be used')
    server.close()
  })
})
