import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { IngestApiEnv } from '../apps/ingest-api/src/config.ts'
import { busEntities, emulatorConfig } from '../libs/bus/src/index.ts'

const ROOT = join(import.meta.dirname, '..')

/** A service of docker-compose.yml, as far as these rules look at it. */
type Service = {
  readonly image?: string
  readonly build?: {
    readonly context: string
    readonly target: string
    readonly args?: Readonly<Record<string, string>>
  }
  readonly environment?: Readonly<Record<string, string | number>>
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly depends_on?: Readonly<Record<string, unknown>> | readonly string[]
  readonly mem_limit?: string
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly restart?: string
  readonly container_name?: string
  readonly hostname?: string
}

const { services, volumes } = parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), { merge: true }) as {
  services: Record<string, Service>
  volumes: Record<string, unknown>
}
/** Without the images of others, which run as those who made them say. */
const ours = Object.entries(services).filter(([, { image = '' }]) => image.startsWith('cinelake/'))
const SCALED = ['ingest-files', 'ingest-api', 'push-api', 'transformer', 'loader', 'scheduler']

test('the emulator of Service Bus has the queues, topic and subscriptions that the bus defines', () => {
  const committed: unknown = JSON.parse(readFileSync(join(ROOT, 'docker/servicebus-emulator.json'), 'utf8'))
  expect(committed, 'run: npx cinelake bus entities --format emulator').toEqual(emulatorConfig(busEntities()))
})

describe.each(Object.entries(services))('the container %s', (_name, service) => {
  test('has a limit to its memory, and what restarts it is said', () => {
    expect(service.mem_limit).toMatch(/^\d+[mg]$/)
    expect(service.restart).toMatch(/^(unless-stopped|on-failure:\d+|no)$/)
  })

  test('is reached from this machine only', () => {
    for (const port of service.ports ?? [])
      expect(port).toMatch(/^127\.0\.0\.1:\$\{CINELAKE_PORT_[A-Z]+:-[\d-]+\}:\d+$/)
  })

  test('keeps what it writes in volumes with a name, or in scratch space of its own', () => {
    const writable = (service.volumes ?? []).filter((volume) => !volume.endsWith(':ro') && volume !== '/scratch')
    expect(Object.keys(volumes)).toEqual(expect.arrayContaining(writable.map((volume) => volume.split(':')[0])))
  })
})

test.each(ours)('the container %s may do as little as possible', (_name, service) => {
  expect(service.read_only).toBe(true)
  expect(service.cap_drop).toEqual(['ALL'])
  expect(service.security_opt).toEqual(['no-new-privileges:true'])
})

test.each(SCALED)('%s can be scaled: nothing in it is for one container alone', (name) => {
  const { container_name, hostname, ports = [] } = services[name] ?? {}
  expect([container_name, hostname]).toEqual([undefined, undefined])
  // A range: each replica gets a port of its own.
  for (const port of ports) expect(port).toMatch(/:-\d+-\d+\}/)
})

describe('the program of ingest-api', () => {
  /** What the program makes of a container's settings. */
  const configOf = (name: string) =>
    IngestApiEnv.parse(
      Object.fromEntries(
        Object.entries(services[name]?.environment ?? {}).map(([setting, value]) => [setting, String(value)]),
      ),
    )

  test('takes commands in one container, without a port', () => {
    const { concurrency, push } = configOf('ingest-api')
    expect({ takesCommands: concurrency > 0, push }).toEqual({ takesCommands: true, push: undefined })
    expect(services['ingest-api']?.ports).toBeUndefined()
  })

  test('takes pushes in the other, on the port that is published', () => {
    const { concurrency, push } = configOf('push-api')
    expect({ concurrency, push }).toEqual({
      concurrency: 0,
      push: { host: '0.0.0.0', port: 8095, names: ['push-api'] },
    })
    expect(services['push-api']?.ports).toEqual(['127.0.0.1:${CINELAKE_PORT_PUSH:-8095-8099}:8095'])
    expect(services['push-api']?.image).toBe(services['ingest-api']?.image)
  })
})

test.each(ours.filter(([, { environment }]) => environment?.['CINELAKE_ENGINE_MEMORY_MIB'] !== undefined))(
  'the engine of %s and what Node needs besides fit into its memory',
  (_name, service) => {
    const [, number = '0', unit] = /^(\d+)([mg])$/.exec(service.mem_limit ?? '') ?? []
    const limitMib = Number(number) * (unit === 'g' ? 1024 : 1)
    // DuckDB may go over its limit by about half; Node itself takes some 250 MiB.
    const engineMib = Number(service.environment?.['CINELAKE_ENGINE_MEMORY_MIB']) * 1.5
    expect(limitMib).toBeGreaterThanOrEqual(engineMib + 250)
  },
)
