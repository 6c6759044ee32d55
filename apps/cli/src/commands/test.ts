import { ConfigError, suggest } from '@cinelake/core'
import type { CheckedPipeline } from '@cinelake/pipeline'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { CommandContext } from '../command.ts'
import { readModelTests, TESTS_FOLDER, type ModelTest } from '../model-tests/read-model-tests.ts'
import { runModelTest, type ModelTestResult } from '../model-tests/run-model-test.ts'
import { openEngine } from '../open-parts.ts'
import { formatResult } from '../output/format-result.ts'
import { formatDuration, toJson } from '../output/format-value.ts'
import type { Terminal } from '../output/terminal.ts'
import { usablePipeline } from '../read-folder.ts'
import { platformConfig } from '../settings.ts'

export type Options = { readonly json?: true }

export async function test(
  folder: string,
  models: readonly string[],
  { json: asJson }: Options,
  { terminal, settings, signal, exitWith }: CommandContext,
): Promise<void> {
  const config = platformConfig(settings)
  const pipeline = await usablePipeline(folder, config)
  const tests = chosen(await readModelTests(folder, pipeline), models, pipeline, folder)
  // The engine reads and writes in this folder only: the lakes of the tests are in it.
  await using folderOfTests = await temporaryFolder()
  const scratchDirectory = path.join(folderOfTests.path, 'scratch')
  await using engine = await openEngine(
    { engine: { ...config.engine, scratchDirectory } },
    { localDirectories: [folderOfTests.path] },
  )
  const results: ModelTestResult[] = []
  for (const each of tests) {
    signal.throwIfAborted()
    const result = await runModelTest(each, { engine, pipeline, directory: folderOfTests.path, signal })
    results.push(result)
    if (asJson !== true) show(result, terminal)
  }
  const failed = results.filter(({ failures }) => failures.length > 0).length
  if (failed > 0) exitWith(1)
  if (asJson === true) return terminal.print(`${toJson({ ok: failed === 0, tests: results.map(asRecord) })}\n`)
  terminal.print(`${results.length - failed} passed, ${failed} failed\n`)
}

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const made = await realpath(await mkdtemp(path.join(tmpdir(), 'cinelake-test-')))
  return {
    path: made,
    [Symbol.asyncDispose]: async () => await rm(made, { recursive: true, force: true }),
  }
}

function chosen(
  tests: readonly ModelTest[],
  models: readonly string[],
  pipeline: CheckedPipeline,
  folder: string,
): readonly ModelTest[] {
  const known = pipeline.models.map(({ name }) => name)
  const unknown = models.filter((name) => !known.includes(name))
  if (unknown.length > 0) {
    const problems = unknown.map((name) => `there is no model ${name}: ${suggest(name, known)}`)
    throw new ConfigError('the tests cannot be chosen', problems)
  }
  const those = models.length === 0 ? tests : tests.filter(({ model }) => models.includes(model.name))
  if (those.length > 0) return those
  const where = path.join(folder, TESTS_FOLDER)
  const what = models.length === 0 ? 'a file NAME.yaml for a model NAME' : `tests of ${models.join(', ')}`
  throw new ConfigError('there are no tests', [`${where}: expected ${what}; docs/pipeline.md shows how one is written`])
}

function show({ test, durationMs, failures, difference }: ModelTestResult, { print, paint }: Terminal): void {
  const title = `${test.model.name}  ${test.name}`
  const took = paint('dim', formatDuration(durationMs))
  if (failures.length === 0) return print(`${paint('green', '✓')} ${title}  ${took}\n`)
  print(`${paint('red', '✗')} ${title}  ${took}\n    ${test.place}\n`)
  for (const failure of failures) print(`    ${failure.replaceAll('\n', '\n    ')}\n`)
  if (difference === undefined) return
  const { columns, missing, unexpected } = difference
  const table = (rows: typeof missing) => formatResult({ columns, rows }, { paint, indent: '      ' })
  if (missing.length > 0) print(`    expected, and not in the table:\n${table(missing)}`)
  if (unexpected.length > 0) print(`    in the table, and not expected:\n${table(unexpected)}`)
}

function asRecord({ test, durationMs, failures, difference }: ModelTestResult) {
  const { name, place, model } = test
  return { model: model.name, name, place, ok: failures.length === 0, durationMs, failures, ...difference }
}
