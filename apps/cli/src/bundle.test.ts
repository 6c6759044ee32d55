// @module-tag slow: starts programs
import { temporaryDirectory } from '@cinelake/testkit'
import { execFile } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { chmod, cp, mkdir, readdir, readFile, realpath, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createProgram } from './program.ts'
import { plainPaint } from './output/terminal.ts'
import { aStarter, cinelake, type Result } from './testing.fixture.ts'

const APP = fileURLToPath(new URL('..', import.meta.url))
const BUNDLES = 'node_modules/.cache/cinelake'

type Called = Omit<Result, 'screen'>

/** Runs `bin/cinelake.js` of an app's folder as a process of its own. */
async function called(app: string, ...args: string[]): Promise<Called> {
  return await calledWith([], app, ...args)
}

async function calledWith(options: readonly string[], app: string, ...args: string[]): Promise<Called> {
  return await new Promise((resolve) => {
    execFile(process.execPath, [...options, path.join(app, 'bin/cinelake.js'), ...args], (error, out, notes) => {
      resolve({ exitCode: error === null ? 0 : Number(error.code), out, notes })
    })
  })
}

async function currentBundle(app: string): Promise<string> {
  const { name } = JSON.parse(await readFile(path.join(app, BUNDLES, 'current.json'), 'utf8')) as { name: string }
  return path.join(app, BUNDLES, name)
}

describe('the bundle of this clone', () => {
  const context = {
    terminal: { print() {}, note() {}, isInteractive: false, columns: () => 100, paint: plainPaint, ask: undefined },
    settings: {},
    signal: new AbortController().signal,
    clock: () => new Date(),
    exitWith() {},
  }
  // Made when it is not there yet.
  beforeAll(async () => void (await called(APP, '--version')))

  test('says the same as the sources, with the same exit code', async () => {
    const names = createProgram(context).commands.map((command) => command.name())
    const lines = [
      ['--version'],
      ['--help'],
      ...names.map((name) => [name, '--help']),
      ['run', '--nope'],
      ['query'],
      ['validat', 'x'],
      ['bus', 'entities', '--json'],
      ['validate', path.join(APP, 'nowhere')],
    ]
    const differing: unknown[] = []
    for (const args of lines) {
      const [ofBundle, ofSources] = await Promise.all([called(APP, ...args), cinelake(args)])
      // Help is as wide as the terminal, which a process of its own does not have.
      const words = ({ exitCode, out, notes }: Called) => [exitCode, ...`${out} ${notes}`.split(/\s+/)].join(' ')
      if (words(ofBundle) !== words(ofSources)) differing.push({ args, ofBundle, ofSources })
    }
    expect(differing).toEqual([])
  })

  test('loads no other package before a command is called', async () => {
    const bundle = await currentBundle(APP)
    const seen = new Set<string>()
    const outside: string[] = []
    const follow = async (file: string): Promise<void> => {
      if (seen.has(file)) return
      seen.add(file)
      const text = await readFile(path.join(bundle, file), 'utf8')
      for (const [, from = ''] of text.matchAll(/^import .*?"([^"]+)";$/gm)) {
        if (from.startsWith('./')) await follow(from.slice(2))
        else if (!from.startsWith('node:')) outside.push(`${file}: ${from}`)
      }
    }

    await follow('main.js')

    expect(seen.size).toBeGreaterThan(1)
    expect(outside).toEqual([])
  })

  test('has the scripts of all threads', async () => {
    const sources = globSync('{apps,libs}/*/src/**/*.ts', { cwd: path.join(APP, '../..') })
    const scripts = sources
      .filter((file) => !/\.(test|fixture)\.ts$/.test(file))
      .map(
        (file) =>
          /new URL\('\.\/([\w-]+)\.ts', import\.meta\.url\)/.exec(
            readFileSync(path.join(APP, '../..', file), 'utf8'),
          )?.[1],
      )
      .filter((script) => script !== undefined)

    const files = await readdir(await currentBundle(APP))

    expect(scripts).toContain('pglite-worker')
    expect(scripts.filter((script) => !files.includes(`${script}.js`))).toEqual([])
  })

  test('runs a pipeline, and begins one from its own files', async () => {
    await using given = await aStarter()
    const begun = path.join(given.folder, 'begun')

    expect(await called(APP, 'init', begun)).toMatchObject({ exitCode: 0 })
    const run = await called(APP, 'run', begun, '--window', '2026-03-01', '--state', given.state)
    const sales = await called(APP, 'query', 'SELECT orders FROM sales_by_day', '--state', given.state, '--json')

    expect(run).toMatchObject({ exitCode: 0, out: expect.stringContaining('begun@2026-03-01') })
    expect(JSON.parse(sales.out)).toMatchObject({ rows: [{ orders: 3 }] })
  })
})

/** A clone with a program of three files, a package and a thread. */
async function aClone() {
  const root = await temporaryDirectory()
  const app = path.join(root.path, 'apps/cli')
  const source = (file: string) => path.join(app, 'src', file)
  await mkdir(source('words'), { recursive: true })
  await mkdir(path.join(root.path, 'node_modules/.pnpm'), { recursive: true })
  await mkdir(path.join(app, 'node_modules/thing'), { recursive: true })
  await cp(path.join(APP, 'bin'), path.join(app, 'bin'), { recursive: true })
  await symlink(await realpath(path.join(APP, 'node_modules/rolldown')), path.join(app, 'node_modules/rolldown'))
  await writeFile(path.join(app, 'node_modules/thing/index.js'), "exports.thing = 'a thing'\n")
  await writeFile(path.join(app, 'package.json'), '{ "name": "@cinelake/cli", "type": "module", "words": "words" }\n')
  for (const lock of ['pnpm-lock.yaml', 'node_modules/.pnpm/lock.yaml']) {
    await writeFile(path.join(root.path, lock), 'lockfileVersion: 9\n')
  }
  await writeFile(
    source('main.ts'),
    `import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { thing } from 'thing'
import { WORD } from './words/word.ts'

const script = import.meta.url.endsWith('.ts')
  ? new URL('./echo-worker.ts', import.meta.url)
  : new URL('./echo-worker.js', import.meta.url)
const [echo] = (await once(new Worker(script, { workerData: WORD as string }), 'message')) as [string]
const { words } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { words: string }
console.log([import.meta.url.endsWith('.ts') ? 'source' : 'bundle', thing, echo, words, ...process.argv.slice(2)].join(' '))
`,
  )
  await writeFile(source('words/word.ts'), "export const WORD: string = 'one'\n")
  await writeFile(
    source('echo-worker.ts'),
    "import { parentPort, workerData } from 'node:worker_threads'\nparentPort?.postMessage(`echo of ${workerData as string}`)\n",
  )
  return { root: root.path, app, source, [Symbol.asyncDispose]: () => root[Symbol.asyncDispose]() }
}

describe('a bundle', () => {
  let clone: Awaited<ReturnType<typeof aClone>>
  beforeAll(async () => void (clone = await aClone()))
  afterAll(async () => await clone[Symbol.asyncDispose]())
  const said = async (...args: string[]) => (await called(clone.app, ...args)).out
  const bundles = async () => (await readdir(path.join(clone.app, BUNDLES))).filter((name) => name !== 'current.json')

  test('is made once by processes that start at once, and then used', async () => {
    const results = await Promise.all([1, 2, 3].map(async () => await called(clone.app, 'a', 'b c')))

    for (const result of results)
      expect(result).toEqual({ exitCode: 0, out: 'bundle a thing echo of one words a b c\n', notes: '' })
    expect(await bundles()).toEqual([path.basename(await currentBundle(clone.app))])
    const before = await currentBundle(clone.app)
    await said()
    expect(await currentBundle(clone.app)).toBe(before)
  })

  test('is never one of other sources: of other text, of another file in a place, of an older time', async () => {
    await writeFile(clone.source('words/word.ts'), "export const WORD: string = 'two'\n")
    expect(await said()).toBe('bundle a thing echo of two words\n')
    await writeFile(
      clone.source('echo-worker.ts'),
      (await readFile(clone.source('echo-worker.ts'), 'utf8')).replace('echo of', 'echo:'),
    )
    expect(await said()).toBe('bundle a thing echo: two words\n')
    await writeFile(clone.source('words/word.ts'), "export const WORD: string = 'six'\n")
    await utimes(clone.source('words/word.ts'), 1, 1)
    expect(await said()).toBe('bundle a thing echo: six words\n')
  })

  test('is kept for a day after another took its place, for the processes that run it', async () => {
    const old = await currentBundle(clone.app)
    await utimes(old, 1, 1)
    await writeFile(clone.source('words/word.ts'), "export const WORD: string = 'four'\n")
    await said()
    expect(await bundles()).toContain(path.basename(old))
    await utimes(old, 1, 1)
    await writeFile(clone.source('words/word.ts'), "export const WORD: string = 'five'\n")
    await said()
    expect(await bundles()).not.toContain(path.basename(old))
  })

  test('is made again where its folder is gone', async () => {
    await rm(await currentBundle(clone.app), { recursive: true })

    expect(await said()).toBe('bundle a thing echo: five words\n')
  })

  test.skipIf(process.getuid?.() === 0)(
    'is not made where nothing may be written: the sources run (needs a user other than root)',
    async () => {
      const word = await readFile(clone.source('words/word.ts'), 'utf8')
      await writeFile(clone.source('words/word.ts'), "export const WORD: string = 'nine'\n")
      await chmod(path.join(clone.app, BUNDLES), 0o555)

      const { out, notes } = await called(clone.app)

      await chmod(path.join(clone.app, BUNDLES), 0o755)
      await writeFile(clone.source('words/word.ts'), word)
      expect(out).toBe('source a thing echo: nine words\n')
      expect(notes).toMatch(/^cinelake: EACCES: permission denied, mkdir '[^\n]*'\ncinelake: no bundle could be made/)
    },
    120_000,
  )

  test('says what is not installed as the lockfile wants it', async () => {
    await writeFile(path.join(clone.root, 'pnpm-lock.yaml'), 'lockfileVersion: 10\n')

    const { notes, out } = await called(clone.app)

    expect(out).toBe('bundle a thing echo: five words\n')
    expect(notes).toBe(
      'cinelake: what is installed is not what pnpm-lock.yaml says; npx -y pnpm@12 install brings it\n',
    )
  })

  test.each([
    [
      'a path that it would not have',
      'export const WORD = import.meta.dirname\n',
      /word\.ts: expected import\.meta only in/,
    ],
    [
      'an import for its effect',
      "import './effect.ts'\nexport const WORD: string = 'six'\n",
      /word\.ts: expected imports that take something/,
    ],
  ])(
    'is not made of %s: the sources run',
    async (_, text, words) => {
      await writeFile(clone.source('words/effect.ts'), '')
      await writeFile(clone.source('words/word.ts'), text)

      const { out, notes } = await called(clone.app, 'a', 'b c')

      expect(notes).toMatch(words)
      expect(notes).toContain('no bundle could be made')
      expect(out).toMatch(/^source a thing echo: \S+ words a b c\n$/)
    },
    120_000,
  )

  test.each([
    ['in the place of this process', '--stack-trace-limit=7'],
    [
      'in a process of their own, where this one cannot be replaced',
      '--import=data:text/javascript,delete process.execve',
    ],
  ])(
    'is not made: the sources run %s, with its options and exit code',
    async (_, option) => {
      const reports = 'process.exitCode = 7\nconsole.error(process.execArgv.join(" "))\n'
      await writeFile(clone.source('words/effect.ts'), reports)
      await writeFile(clone.source('words/word.ts'), "import './effect.ts'\nexport const WORD: string = 'six'\n")

      const { exitCode, out, notes } = await calledWith([option], clone.app, 'a', 'b c')

      expect(out).toBe('source a thing echo: six words a b c\n')
      expect(notes).toContain(`${option} --conditions=@cinelake/source\n`)
      expect(exitCode).toBe(7)
    },
    120_000,
  )

  test('is not made of a broken source: Node says what is wrong with it', async () => {
    await writeFile(clone.source('words/word.ts'), "export const WORD = 'six\n")

    const { exitCode, notes } = await called(clone.app)

    expect(exitCode).toBe(1)
    expect(notes).toMatch(/word\.ts[^]*no bundle could be made[^]*SyntaxError/)
  })

  test('is not needed where there are no sources: what was built runs', async () => {
    await mkdir(path.join(clone.app, 'dist'))
    await writeFile(path.join(clone.app, 'dist/main.js'), "console.log('built', ...process.argv.slice(2))\n")
    await rm(path.join(clone.app, 'src'), { recursive: true })

    expect(await said('a')).toBe('built a\n')
  })
})
