import { describe, expect, test } from 'vitest'
import { plainPaint } from './output/terminal.ts'
import { COMMANDS, createProgram } from './program.ts'
import { cinelake } from './testing.fixture.ts'

const context = {
  terminal: { print() {}, note() {}, isInteractive: false, columns: () => 100, paint: plainPaint, ask: undefined },
  settings: {},
  signal: new AbortController().signal,
  clock: () => new Date(),
  exitWith() {},
}

describe('commands are loaded when they are asked for', () => {
  test.each(COMMANDS)('$name is listed as it describes itself', async ({ name, alias, summary }) => {
    const loaded = (await createProgram([name], context)).commands.find((command) => command.name() === name)
    expect({ summary: loaded?.summary(), alias: loaded?.alias() }).toEqual({ summary, alias })
    expect(loaded?.description()).not.toBe('')
  })

  test('by their alias and for their help as well', async () => {
    expect((await cinelake(['agents', '--help'])).out).toContain('cinelake agent')
    expect((await cinelake(['help', 'run'])).out).toContain('--window')
    expect((await cinelake(['run', '--help'])).out).toContain('--window')
  })

  test('a misspelled one is told with the one that was meant', async () => {
    const { exitCode, notes } = await cinelake(['validat', 'x'])
    expect({ exitCode, notes }).toMatchObject({ exitCode: 2, notes: expect.stringContaining('Did you mean validate?') })
  })
})
