// @module-tag slow: takes long
import { CommanderError, type Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { blocksOf, callsIn, pages, pageText, sources } from './docs.fixture.ts'
import type { CommandContext } from './command.ts'
import { plainPaint } from './output/terminal.ts'
import { createProgram } from './program.ts'

/** What the pages have one type is held against the definitions of the commands. */

type Call = { readonly args: readonly string[]; readonly isWhole: boolean }

/** Calls in blocks of shell are typed as they stand; those within a sentence may name a command without its arguments. */
function callsOf(page: string): Call[] {
  const text = pageText(page)
  const blocks = blocksOf(text).filter(({ language }) => ['sh', 'console'].includes(language))
  const typed = blocks.flatMap(({ language, content }) =>
    callsIn(language === 'sh' ? content : content.replaceAll(/^(?!\$ ).*$/gm, '')),
  )
  const named = [...prose(page).matchAll(/`([^`]*)`/g)].flatMap(([, code = '']) =>
    callsIn(code.replaceAll(/\s+/g, ' ')),
  )
  return [
    ...typed.map((args) => ({ args, isWhole: !args.includes('…') })),
    ...named.map((args) => ({ args, isWhole: false })),
  ]
}

/** A page without its blocks of code. */
const prose = (page: string) => pageText(page).replaceAll(/^ *```[\s\S]*?^ *```$/gm, '')

const context = (note: (text: string) => void = () => undefined): CommandContext => ({
  terminal: {
    print: () => undefined,
    note,
    isInteractive: false,
    columns: () => 100,
    paint: plainPaint,
    ask: undefined,
  },
  settings: {},
  signal: new AbortController().signal,
  clock: () => new Date(),
  exitWith: () => undefined,
})

const commandsOf = (command: Command): Command[] => [command, ...command.commands.flatMap(commandsOf)]

/** What the program has against a command line; undefined for nothing. No command is carried out. */
async function problemOf({ args, isWhole }: Call): Promise<string | undefined> {
  let said = ''
  const program = createProgram(context((text) => void (said += text)))
  // A group of commands shows its help when none of them is named, as before.
  for (const command of commandsOf(program)) if (command.commands.length === 0) command.action(() => undefined)
  try {
    await program.parseAsync(
      args.filter((word) => word !== '…'),
      { from: 'user' },
    )
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    const isLeftOut = ['commander.missingArgument', 'commander.help'].includes(error.code)
    if (error.exitCode !== 0 && (isWhole || !isLeftOut)) return `cinelake ${args.join(' ')}: ${said}`
  }
  return undefined
}

const WITH_CALLS = pages().filter((page) => callsOf(page).length > 0)

test.each(WITH_CALLS)('%s: every command line has commands, arguments and options that there are', async (page) => {
  const problems = await Promise.all(callsOf(page).map(problemOf))

  expect(problems.filter((problem) => problem !== undefined)).toEqual([])
})

test.each(['README.md', 'docs/cli.md', 'docs/pipeline.md', 'docs/runbook.md'])(
  '%s: every option that stands by itself is one of a command',
  (page) => {
    const known = new Set(
      commandsOf(createProgram(context())).flatMap(({ options }) =>
        options.flatMap(({ long }) => (long == null ? [] : [long])),
      ),
    )
    const named = [...prose(page).matchAll(/`(--[a-z][a-z-]*)[^`]*`/g)].map(([, option = '']) => option)

    expect(named.filter((option) => !known.has(option) && option !== '--help')).toEqual([])
  },
)

test('messages name commands, arguments and options that there are', async () => {
  const calls = sources()
    .flatMap((path) => pageText(path).split('\n'))
    .flatMap(namedIn)
  const problems = await Promise.all(calls.map((args) => problemOf({ args, isWhole: false })))

  expect(calls.length).toBeGreaterThan(30)
  expect([...new Set(problems)].filter((problem) => problem !== undefined)).toEqual([])
})

/** The calls that a line of TypeScript names in a text or a comment. A template of its own may be called as it likes. */
function namedIn(line: string): string[][] {
  return [...line.matchAll(/(\\?)`(cinelake [^`\\]*)\\?`/g)].flatMap((found) => {
    const [, escape, code = ''] = found
    const isQuoted = line.slice(0, found.index).split("'").length % 2 === 0
    const isText = escape !== '' || isQuoted || /^\s*(?:\*|\/)/.test(line)
    return isText ? callsIn(code.replaceAll(/\$\{[^}]*\}/g, 'NAME')) : []
  })
}

describe('the check', () => {
  test('reads the pages that have people type commands', () => {
    expect(WITH_CALLS).toEqual(
      expect.arrayContaining(['README.md', 'docs/cli.md', 'docs/pipeline.md', 'docs/runbook.md']),
    )
    expect(callsOf('docs/cli.md').length).toBeGreaterThan(30)
  })

  test.each([
    [['rnu', 'bikes'], true],
    [['run', 'bikes', '--windw', '2026-03-01'], true],
    [['run', 'bikes', 'cars'], true],
    [['rebuild', '--everything'], false],
    [['dead-letters', 'lst', 'loader'], false],
    [['dead-letters', 'show', 'loader'], true],
    [['try', 'shop/orders', '--rows', 'many'], false],
  ])('finds what is wrong with %j', async (args, isWhole) => {
    expect(await problemOf({ args, isWhole })).toMatch(/^cinelake \S+ .*: error: /)
  })

  test.each([
    ['npx -y pnpm@12 cinelake run bikes --window 2026-03-01 # for a day', [['run', 'bikes', '--window', '2026-03-01']]],
    ['npx cinelake query "SELECT \\"a b\\", \'c\'" | head', [['query', 'SELECT "a b", \'c\'']]],
    ['  npx -y pnpm@12 --silent cinelake dead-letters list "$entity"', [['dead-letters', 'list', '$entity']]],
    ['cinelake bus entities --format arm > entities.json', [['bus', 'entities', '--format', 'arm']]],
    ["cinelake add files bikes \\\n  --files 'a_{yyyy}.csv'", [['add', 'files', 'bikes', '--files', 'a_{yyyy}.csv']]],
    ['docker pull cinelake.azurecr.io/cinelake/cli', []],
  ])('reads %j', (shell, calls) => {
    expect(callsIn(shell)).toEqual(calls)
  })
})
