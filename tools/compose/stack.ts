import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { must, run } from './shell.ts'

export const SERVICES = ['ingest-files', 'ingest-api', 'transformer', 'loader', 'scheduler'] as const

/** The stack that needs no image registry. */
const FILES = ['-f', 'docker-compose.yml', '-f', 'docker-compose.offline.yml']

/** Milliseconds between two looks at something that takes seconds. */
const INTERVAL_MS = 500

/** A task of a run, as far as this tool looks at it. */
type Task = { readonly name: string; readonly state: string; readonly queue: string; readonly balance: unknown }
export type Run = { readonly state: string; readonly tasks: readonly Task[] }

/** Why the stack cannot be had on this machine; undefined: it can. */
export async function whyNot(): Promise<string | undefined> {
  if ((await run('docker', ['info'], { timeoutMs: 20_000 }).catch(() => undefined))?.code !== 0) {
    return 'no Docker engine answers'
  }
  if (!/v[2-9]/.test((await run('docker', ['compose', 'version'])).stdout))
    return 'there is no Docker Compose 2 or newer'
  for (const image of ['node:24-bookworm-slim', 'debian:bookworm-slim']) {
    if ((await run('docker', ['image', 'inspect', image])).code === 0) continue
    if ((await run('docker', ['pull', '--quiet', image])).code !== 0) return `the image ${image} cannot be had`
  }
  return undefined
}

/** Builds the images that the stack consists of. @param version their tag */
export async function buildImages(version: string): Promise<void> {
  await must('docker', ['compose', ...FILES, '--profile', 'tools', 'build', '--quiet'], {
    env: { CINELAKE_VERSION: version },
  })
}

export type Stack = Awaited<ReturnType<typeof openStack>>

/**
 * The stack of docker-compose.offline.yml under a name of its own and on ports that are free. Disposing takes it down, its
 * volumes included.
 */
export async function openStack(version: string, settings: Readonly<Record<string, string>>) {
  const project = `cinelake-${randomBytes(4).toString('hex')}`
  const files = ['-p', project, ...FILES]
  const ports = { CINELAKE_PORT_API: '0', CINELAKE_PORT_SQL: '0', CINELAKE_PORT_LAKE: '0' }
  const env: Record<string, string> = {
    CINELAKE_VERSION: version,
    ...ports,
    CINELAKE_PORT_CRM: '0',
    CINELAKE_PORT_BILLING: '0',
    CINELAKE_PORT_PUSH: '0',
    ...settings,
  }
  const compose = (args: readonly string[]) => must('docker', ['compose', ...files, ...args], { env })
  const containers = async (service: string) => (await compose(['ps', '--quiet', service])).split('\n').filter(Boolean)

  /** Asks the API until it answers: the scheduler may be the one that was killed. */
  const api = async <T>(path: string, init?: RequestInit): Promise<T> => {
    for (let tries = 0; ; tries += 1) {
      try {
        const address = (await compose(['port', 'scheduler', '8080'])).trim()
        const response = await fetch(`http://${address}${path}`, init)
        if (response.status < 500) return (await response.json()) as T
        throw new Error(`${path}: ${response.status} ${await response.text()}`)
      } catch (error) {
        if (tries > 120) throw error
        await pause(INTERVAL_MS)
      }
    }
  }
  return {
    project,
    compose,
    containers,
    up: (args: readonly string[] = []) => compose(['up', '--detach', '--no-build', ...args]),
    /** Lets the company live until the end of a day, and stay there. */
    async companyAt(date: string) {
      env['CINELAKE_SAMPLE_DAY'] = date
      await compose(['up', '--detach', '--no-build', '--wait', '--no-deps', 'company'])
    },
    async ask(window: string, again = false): Promise<void> {
      const body = JSON.stringify({ pipeline: 'ott', window, again })
      await api('/v1/runs', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    },
    look: (window: string) => api<Run>(`/v1/runs/ott@${window}`),
    /** As the kernel does it when memory is short: at once, and the container has to come back by itself. */
    async kill(service: string): Promise<void> {
      for (const id of await containers(service)) {
        const pid = (await must('docker', ['inspect', '--format', '{{.State.Pid}}', id])).trim()
        process.kill(Number(pid), 'SIGKILL')
      }
    },
    redeploy: (service: string) => compose(['up', '--detach', '--no-build', '--no-deps', '--force-recreate', service]),
    cli: (args: readonly string[]) => compose(['run', '--rm', '--no-deps', '--no-TTY', 'cli', ...args]),
    logs: () => compose(['logs', '--no-color']),
    async [Symbol.asyncDispose]() {
      await run('docker', ['compose', ...files, '--profile', 'tools', 'down', '--volumes', '--timeout', '30'], { env })
    },
  }
}
