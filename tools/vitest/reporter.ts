import type { Reporter, TestCase, TestModule, Vitest } from 'vitest/node'
import { ORDINARY_SEED } from './seed.ts'

/**
 * Ends a test run with what was left out and why, what failed (a line each, `failed: …`), the seed where it is not the
 * ordinary one, and one line to read by machine: `N passed, N failed, N skipped`.
 */
export default class SummaryReporter implements Reporter {
  #seed = ''

  onInit(vitest: Vitest): void {
    this.#seed = vitest.config.env['CINELAKE_TEST_SEED'] ?? ''
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()])
    const count = (state: string) => tests.filter((test) => test.result().state === state).length
    // A file that could not even be read, or an error outside of any test, is a failure as well.
    const brokenModules = modules.filter((module) => module.errors().length > 0).length
    const failed = count('failed') + brokenModules + unhandledErrors.length
    const failures = [
      ...tests.filter((test) => test.result().state === 'failed').map(describeFailed),
      ...modules.flatMap((module) => module.errors().map((error) => `${module.relativeModuleId}: ${firstLine(error)}`)),
      ...unhandledErrors.map((error) => `outside of any test: ${firstLine(error)}`),
    ]
    // Vitest's own summary is written on the next tick; this has to come last.
    process.once('exit', () => {
      for (const test of tests)
        if (test.result().state === 'skipped') process.stdout.write(`skipped: ${describeSkipped(test)}\n`)
      for (const failure of failures) process.stdout.write(`failed: ${failure}\n`)
      if (this.#seed !== String(ORDINARY_SEED))
        process.stdout.write(`seed: ${this.#seed}; CINELAKE_TEST_SEED=${this.#seed} runs the same again\n`)
      process.stdout.write(`${count('passed')} passed, ${failed} failed, ${count('skipped')} skipped\n`)
    })
  }
}

function describeSkipped(test: TestCase): string {
  const result = test.result()
  const reason = result.state === 'skipped' ? result.note : undefined
  return `${test.module.relativeModuleId} > ${test.fullName}${reason === undefined ? '' : `: ${reason}`}`
}

function describeFailed(test: TestCase): string {
  return `${test.module.relativeModuleId} > ${test.fullName}: ${firstLine(test.result().errors?.[0])}`
}

function firstLine(error: unknown): string {
  const message = typeof error === 'object' && error !== null && 'message' in error ? error.message : error
  return String(message).split('\n')[0] ?? ''
}
