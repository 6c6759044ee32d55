// @module-tag slow: takes long
import { temporaryDirectory } from '@cinelake/testkit'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { blocksOf, callsIn, comparable, isShown, section } from './docs.fixture.ts'
import { cinelake } from './testing.fixture.ts'

/** The tutorial's paths are relative, and so are those of its reader. */
let directory: Awaited<ReturnType<typeof temporaryDirectory>>
const before = process.cwd()
beforeEach(async () => {
  directory = await temporaryDirectory()
  process.chdir(directory.path)
})
afterEach(async () => {
  process.chdir(before)
  await directory[Symbol.asyncDispose]()
})

/** A text with the lines of a diff put in, or, the other way round, taken back. */
function patched(text: string, diff: string, { undone = false } = {}): string {
  const lines = (mark: string) =>
    diff
      .split('\n')
      .filter((line) => line.startsWith(mark))
      .map((line) => `${line.slice(1)}\n`)
      .join('')
  const [from, to] = undone ? [lines('+'), lines('-')] : [lines('-'), lines('+')]
  expect(text.split(from)).toHaveLength(2)
  return text.replace(from, () => to)
}

const write = async (file: string, content: string) => {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, content)
}

type Replayed = {
  /** The names of the commands, in order. */
  readonly typed: readonly string[]
  /** What was printed and what the page shows in its place; nothing where a page shows nothing and a command succeeds. */
  readonly differences: readonly { readonly printed: readonly string[]; readonly shown: readonly string[] }[]
}

/** Does what a text says, block by block: writes its files, makes its changes, types its commands, compares what they print. */
async function replay(text: string): Promise<Replayed> {
  const blocks = blocksOf(text)
  const typed: string[] = []
  const differences: Replayed['differences'][number][] = []
  let undo: (() => Promise<void>) | undefined
  for (const [at, { language, words, content }] of blocks.entries()) {
    const file = words.find((word) => word.startsWith('file='))?.slice('file='.length)
    if (language === 'diff' && file !== undefined) {
      await write(file, patched(await readFile(file, 'utf8'), content))
      if (words.includes('undone'))
        undo = async () => await write(file, patched(await readFile(file, 'utf8'), content, { undone: true }))
    } else if (file !== undefined) {
      await write(file, content)
    } else if (language === 'sh') {
      const next = blocks[at + 1]
      const { printed, hasFailed } = await typeAll(content, typed)
      const isSilent = next?.language !== 'text'
      const shown = isSilent ? ['…'] : comparable(next.content)
      if (!isShown(printed, shown) || (isSilent && hasFailed)) differences.push({ printed, shown })
      await undo?.()
      undo = undefined
    }
  }
  return { typed, differences }
}

/** Types the command lines of a block. @param typed gets their names */
async function typeAll(shell: string, typed: string[]): Promise<{ printed: string[]; hasFailed: boolean }> {
  const calls = callsIn(shell)
  if (calls.length !== shell.trim().split('\n').length) throw new Error(`not every line is a command:\n${shell}`)
  let [all, hasFailed] = ['', false]
  for (const args of calls) {
    const { exitCode, screen } = await cinelake(args)
    typed.push(args[0] ?? '')
    all += screen
    hasFailed ||= exitCode !== 0
  }
  return { printed: comparable(all), hasFailed }
}

describe('docs/pipeline.md', () => {
  test('the tutorial comes out as it is written: files, commands and what they print', async () => {
    const { typed, differences } = await replay(section('docs/pipeline.md', '## A pipeline in ten minutes'))

    expect(differences).toEqual([])
    expect(typed.slice(0, 2)).toEqual(['add', 'try'])
    expect(typed).toEqual(expect.arrayContaining(['validate', 'test', 'run', 'query', 'rejects', 'plan']))
  })
})

describe('README.md', () => {
  test('the pipeline that it has written is validated, tested and run', async () => {
    const { typed, differences } = await replay(section('README.md', '## Write your own'))

    expect(differences).toEqual([])
    expect(typed).toEqual(['init', 'validate', 'test', 'run'])
  })
})

test('a page that shows something else than is printed is found', () => {
  const printed = comparable('2026-03-01  ✓ load b  1 s  2 rows\n2026-03-01  ✓ load a  2 ms  1 row\n\nno   1\nyes  2\n')

  expect(
    isShown(printed, comparable('2026-03-01 ✓ load a 0.1 s  1 row\n2026-03-01 ✓ load b 3 s 2 rows\n…\nyes  2')),
  ).toBe(true)
  expect(isShown(printed, comparable('…\nno  1\n…'))).toBe(true)
  expect(isShown(printed, comparable('…\nno  1'))).toBe(false)
  expect(isShown(printed, comparable('2026-03-01 ✓ load a 0.1 s  2 rows\n…'))).toBe(false)
})
