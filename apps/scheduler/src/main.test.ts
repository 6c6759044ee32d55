import { temporaryDirectory, until } from '@cinelake/testkit'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))

const PIPELINE = `
pipeline: mini
schedule: { every: day, start: 2026-03-01 }
sources:
  drops:
    type: files
    path: /drops
    datasets:
      orders: { files: 'orders_{yyyy}{MM}{dd}.csv' }
`
const CONTRACT = `
apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
      - { name: id, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1 }
`

test(
  'the service serves its API, stops when told, and knows its runs when it is back',
  { timeout: 120_000 },
  async () => {
    await using directory = await temporaryDirectory()
    await writePipeline(directory.path, PIPELINE)

    await using first = await start(directory.path)
    const asked = await fetch(`${first.url}/v1/runs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ pipeline: 'mini', window: '2026-03-01' }),
    })
    expect([asked.status, await asked.json()]).toEqual([202, { runs: [{ runId: 'mini@2026-03-01', created: true }] }])
    expect(await stop(first.child)).toBe(0)

    await using second = await start(directory.path)
    const { runs } = (await (await fetch(`${second.url}/v1/runs`)).json()) as { runs: { id: string; state: string }[] }
    expect(runs.map(({ id, state }) => [id, state])).toEqual([['mini@2026-03-01', 'running']])
    expect(await stop(second.child)).toBe(0)
  },
)

test('a pipeline that cannot be used is every problem with file and line, and exit code 78', async () => {
  await using directory = await temporaryDirectory()
  await writePipeline(directory.path, PIPELINE.replace('datasets', 'datsets').replace('every: day', 'every: dya'))

  const { child, output } = launch(directory.path)
  const [code] = await once(child, 'exit')

  expect(code).toBe(78)
  expect(output()).toMatch(/mini\/pipeline.yaml:3:.*dya/)
  expect(output()).toMatch(/mini\/pipeline.yaml:8:.*datsets/)
})

async function writePipeline(root: string, text: string): Promise<void> {
  const contracts = path.join(root, 'pipelines', 'mini', 'contracts')
  await mkdir(contracts, { recursive: true })
  await writeFile(path.join(root, 'pipelines', 'mini', 'pipeline.yaml'), text)
  await writeFile(path.join(contracts, 'orders.yaml'), CONTRACT)
}

function launch(cwd: string) {
  const env = { ...process.env, CINELAKE_API_PORT: '0', CINELAKE_SCHEDULER_SCHEDULE: 'off' }
  const child = spawn(process.execPath, ['--conditions=@cinelake/source', MAIN], { cwd, env })
  const chunks: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => void chunks.push(chunk))
  return { child, output: () => Buffer.concat(chunks).toString() }
}

/** Milliseconds. Making a database takes a few seconds, and more beside other tests. */
const START_MS = 45_000

async function start(cwd: string): Promise<AsyncDisposable & { readonly child: ChildProcess; readonly url: string }> {
  const { child, output } = launch(cwd)
  const url = () => /"url":"([^"]+)"/.exec(output())?.[1]
  // A test that fails leaves no process behind.
  const end = async () => {
    if (child.exitCode === null && child.signalCode === null && child.kill('SIGKILL')) await once(child, 'exit')
  }
  try {
    await until(
      'the API is served',
      () => {
        if (child.exitCode !== null) throw new Error(`the service ended: ${output()}`)
        return url() !== undefined
      },
      START_MS,
    )
  } catch (error) {
    await end()
    throw error
  }
  return { child, url: url() ?? '', [Symbol.asyncDispose]: end }
}

async function stop(child: ChildProcess): Promise<unknown> {
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const [code] = await exited
  return code
}
