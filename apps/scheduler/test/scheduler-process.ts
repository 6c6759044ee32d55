import { readSettings } from '@cinelake/service'
import { until } from '@cinelake/testkit'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const MINI = `
pipeline: mini
schedule: { every: day, start: 2026-03-01 }
retry: { attempts: 4, backoff: 200ms, maxBackoff: 1s }
sources:
  drops:
    type: files
    path: /drops
    datasets:
      orders: { files: 'orders_{yyyy}{MM}{dd}.csv' }
      customers: { files: 'customers_{yyyy}{MM}{dd}.csv' }
`

/** Writes the pipeline `mini` below a directory, as CINELAKE_PIPELINES has it by default. */
export async function writePipeline(root: string, text = MINI): Promise<void> {
  const contracts = path.join(root, 'pipelines', 'mini', 'contracts')
  await mkdir(contracts, { recursive: true })
  await writeFile(path.join(root, 'pipelines', 'mini', 'pipeline.yaml'), text)
  for (const dataset of ['orders', 'customers'])
    await writeFile(path.join(contracts, `${dataset}.yaml`), contract(dataset))
}

function contract(dataset: string): string {
  return `
apiVersion: v3.1.0
kind: DataContract
id: ${dataset}
version: 1.0.0
status: active
schema:
  - name: ${dataset}
    properties:
      - { name: id, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1 }
`
}

export type Launched = AsyncDisposable & {
  readonly child: ChildProcess
  /** The output of the process so far. */
  readonly output: () => string
}

/** Starts a scheduler program as a child process, killed when the test ends. */
export function launch(program: 'main' | 'migrate', cwd: string, settings: Readonly<Record<string, string>>): Launched {
  const env = { ...readSettings(), CINELAKE_API_PORT: '0', CINELAKE_SCHEDULER_SCHEDULE: 'off', ...settings }
  const file = fileURLToPath(new URL(`../src/${program}.ts`, import.meta.url))
  const child = spawn(process.execPath, ['--conditions=@cinelake/source', file], { cwd, env })
  const chunks: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => void chunks.push(chunk))
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null
  return {
    child,
    output: () => Buffer.concat(chunks).toString(),
    // A test that fails leaves no process behind.
    async [Symbol.asyncDispose]() {
      if (!hasEnded() && child.kill('SIGKILL')) await once(child, 'exit')
    },
  }
}

export type Served = Launched & { readonly url: string }

/** Starts the scheduler and waits until it serves its API. */
export async function start(cwd: string, settings: Readonly<Record<string, string>> = {}): Promise<Served> {
  const launched = launch('main', cwd, settings)
  const { child, output } = launched
  const url = () => /"url":"([^"]+)"/.exec(output())?.[1]
  try {
    await until('the API is served', () => {
      if (child.exitCode !== null) throw new Error(`the service ended: ${output()}`)
      return url() !== undefined
    })
  } catch (error) {
    await launched[Symbol.asyncDispose]()
    throw error
  }
  return { ...launched, url: url() ?? '' }
}

/** Sends SIGTERM. @returns its exit code */
export async function stop(child: ChildProcess): Promise<unknown> {
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const [code] = await exited
  return code
}

/** @returns the exit code of a process that ends by itself */
export async function ended({ child }: Launched): Promise<unknown> {
  if (child.exitCode === null) await once(child, 'exit')
  return child.exitCode
}
