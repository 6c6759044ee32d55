// @module-tag slow: starts programs
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { startOtlpReceiver, temporaryDirectory, type ReceivedSpan } from '../libs/testkit/src/index.ts'

const CLI = fileURLToPath(new URL('../apps/cli/src/main.ts', import.meta.url))

/** Runs the command line in a directory. @returns its exit code and what it said */
async function cinelake(cwd: string, args: readonly string[], settings: Readonly<Record<string, string>> = {}) {
  // oxlint-disable-next-line node/no-process-env -- where programs and temporary files are
  const { PATH = '', HOME = '' } = process.env
  const command = ['--conditions=@cinelake/source', CLI, ...args]
  const child = spawn(process.execPath, command, { cwd, env: { PATH, HOME, ...settings }, stdio: 'pipe' })
  const ended = once(child, 'close')
  const said = await Promise.all([text(child.stdout), text(child.stderr)])
  const [code] = (await ended) as [number | null]
  return { code, output: said.join('') }
}

/** Milliseconds: a limit for what hangs. */
const PATIENCE_MS = 300_000
vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS })

const directory = await temporaryDirectory()
const run = ['run', 'shop', '--window', '2026-03-01']
beforeAll(async () => await cinelake(directory.path, ['init', 'shop']))
afterAll(async () => await directory[Symbol.asyncDispose]())

test('a run is one trace, from its plan to its loads, each step the child of what it follows from', async () => {
  await using collector = await startOtlpReceiver()

  const { code, output } = await cinelake(directory.path, run, { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url })
  expect({ code, output }).toMatchObject({ code: 0 })

  const spans = new Map(collector.spans.map((span) => [span.spanId, span]))
  const named = (name: string, task?: string) =>
    collector.spans.find(
      (span) => span.name === name && (task === undefined || span.attributes['cinelake.task'] === task),
    )
  const path = (span: ReceivedSpan | undefined): string[] =>
    span === undefined ? [] : [...path(spans.get(span.parentSpanId ?? '')), span.name]
  const toBuild = ['run', 'plan', 'ingest', 'task.succeeded', 'refine', 'task.succeeded', 'build']

  expect(new Set(collector.spans.map(({ traceId }) => traceId)).size).toBe(1)
  expect(collector.spans.filter(({ parentSpanId }) => parentSpanId === undefined)).toEqual([named('run')])
  expect(path(named('load', 'load orders'))).toEqual([...toBuild.slice(0, -1), 'load'])
  expect(path(named('load', 'load sales_by_day'))).toEqual([...toBuild, 'task.succeeded', 'load'])
  expect(named('run')?.attributes).toEqual({
    'cinelake.run': 'shop@2026-03-01',
    'cinelake.pipeline': 'shop',
    'cinelake.window': '2026-03-01',
    'cinelake.run.state': 'succeeded',
  })
  expect(named('refine')?.attributes).toMatchObject({
    'cinelake.run': 'shop@2026-03-01',
    'cinelake.task': 'refine orders',
    'cinelake.generation': expect.anything() as unknown,
    'cinelake.attempt': expect.anything() as unknown,
    'cinelake.pipeline': 'shop',
    'messaging.destination.name': 'transformer',
  })
  // A customer of the starter's data: no span has anything of a row.
  expect(JSON.stringify(collector.spans)).not.toContain('@example')
})

test('a run with a collector that is not there succeeds, and says so', async () => {
  const settings = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' }
  const { code, output } = await cinelake(directory.path, [...run, '--again'], settings)

  expect({ code, output }).toMatchObject({ code: 0 })
  expect(output).toMatch(/succeeded[\s\S]*telemetry is not delivered; work continues/)
})
