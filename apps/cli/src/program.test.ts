import { describe, expect, test } from 'vitest'
import { plainPaint } from './output/terminal.ts'
import { createProgram } from './program.ts'
import { cinelake } from './testing.fixture.ts'

const context = {
  terminal: { print() {}, note() {}, isInteractive: false, columns: () => 100, paint: plainPaint, ask: undefined },
  settings: {},
  signal: new AbortController().signal,
  clock: () => new Date(),
  exitWith() {},
}

describe('the commands', () => {
  test('each says in the list what it is for, and more in its own help', () => {
    const { commands } = createProgram(context)
    const all = commands.flatMap((each) => [each, ...each.commands])

    expect(all.length).toBeGreaterThan(commands.length)
    expect(all.filter((each) => each.summary() === '' || each.description() === '').map((each) => each.name())).toEqual(
      [],
    )
  })

  test('are known by their alias, and their help by `help`', async () => {
    expect((await cinelake(['agents', '--help'])).out).toContain('cinelake agent')
    expect((await cinelake(['help', 'run'])).out).toContain('--window')
    expect((await cinelake(['run', '--help'])).out).toContain('--window')
  })

  test('a misspelled one is told with the one that was meant', async () => {
    const { exitCode, notes } = await cinelake(['validat', 'x'])
    expect({ exitCode, notes }).toMatchObject({ exitCode: 2, notes: expect.stringContaining('Did you mean validate?') })
  })
})
