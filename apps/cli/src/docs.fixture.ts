import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The pages' examples are executed: their code blocks, and the command lines within them. */

const ROOT = join(import.meta.dirname, '../../..')

/** @param page below the repository: `docs/pipeline.md` */
export const pageText = (page: string) => readFileSync(join(ROOT, page), 'utf8')

/** README, everything below docs and k8s, and the READMEs of apps, libs, examples and pipelines. */
export const pages = () =>
  globSync(
    ['README.md', 'CONTRIBUTING.md', 'docs/**/*.md', 'k8s/**/*.md', '{apps,libs,examples,pipelines}/*/README.md'],
    {
      cwd: ROOT,
    },
  ).sort()

/** The sources of the program, without their tests. */
export const sources = () =>
  globSync('{apps,libs}/*/src/**/*.ts', { cwd: ROOT })
    .filter((path) => !/\.(?:test|fixture|it\.test)\.ts$/.test(path))
    .sort()

/** The part of a page below a heading, up to the next one of the same level or a higher one. */
export function section(page: string, heading: string): string {
  const lines = pageText(page).split('\n')
  const first = lines.indexOf(heading)
  if (first === -1) throw new Error(`${page} has no heading \`${heading}\``)
  const level = heading.indexOf(' ')
  // In a code block, `# …` is a comment.
  let isCode = false
  const isEnd = (line: string, at: number) => {
    if (/^ *```/.test(line)) isCode = !isCode
    return at > first && !isCode && new RegExp(`^#{1,${level}} `).test(line)
  }
  const end = lines.findIndex(isEnd)
  return lines.slice(first, end === -1 ? undefined : end).join('\n')
}

type Block = {
  /** `sh`, `yaml`, … */
  readonly language: string
  /** The words after it: `file=bikes/pipeline.yaml`. */
  readonly words: readonly string[]
  readonly content: string
}

/** The fenced blocks of a text, in order. */
export function blocksOf(text: string): Block[] {
  return [...text.matchAll(/^ *```(\w*)(?: ([^\n]*))?\n([\s\S]*?)^ *```$/gm)].map(
    ([, language = '', words = '', content = '']) => ({ language, words: words.split(' ').filter(Boolean), content }),
  )
}

/** Forms of calling the program on the pages: from a clone, as a package, or installed. */
const CALLED = /^(?:npx (?:-y )?(?:pnpm@12 (?:--silent )?)?)?cinelake$/

/**
 * The calls of the program within shell text, each as its arguments. Words keep the text that the shell would expand
 * (`"$entity"`, `…`).
 */
export function callsIn(shell: string): string[][] {
  const lines = shell.replaceAll(/\\\n\s*/g, ' ').split('\n')
  return lines.flatMap((line) => {
    const words = wordsOf(line.replace(/^\s*\$ /, ''))
    const name = words.findIndex((_, at) => CALLED.test(words.slice(0, at + 1).join(' ')))
    return name === -1 ? [] : [words.slice(name + 1)]
  })
}

/** The words of a command line as a shell reads them, up to its end: a comment, a pipe, a redirection, `;` or `&`. */
export function wordsOf(line: string): string[] {
  const words: string[] = []
  for (const [token, double, single] of line
    .trim()
    .matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|[|;&#>][^]*|[^\s"'|;&>]+/g)) {
    if (double === undefined && single === undefined && /^[|;&#>]/.test(token)) break
    words.push(double?.replaceAll(/\\(.)/g, '$1') ?? single ?? token)
  }
  return words
}

/**
 * Normalises printed output and a page's output to comparable lines: without durations, times and column spacing; tasks
 * of a run in one order, since independent tasks end in any order.
 */
export function comparable(output: string): string[] {
  const lines = output
    .trimEnd()
    .split('\n')
    .map((line) =>
      line
        .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ/g, 'TIME')
        .replaceAll(/\b(?:\d+ m )?\d+(?:\.\d+)? (?:ms|s)\b/g, 'TOOK')
        .replaceAll(/(\S)\s+/g, '$1 ')
        .trimEnd(),
    )
  const isTask = (line: string) => /^\S+ ✓ /.test(line)
  return lines.flatMap((line, at) => {
    if (!isTask(line)) return [line]
    if (at > 0 && isTask(lines[at - 1] ?? '')) return []
    const end = lines.findIndex((later, index) => index > at && !isTask(later))
    return lines.slice(at, end === -1 ? undefined : end).sort()
  })
}

/** Whether lines match those of a page; its line `…` matches any number of them. */
export function isShown(lines: readonly string[], shown: readonly string[]): boolean {
  const [first, ...rest] = shown
  if (first === undefined) return lines.length === 0
  if (first !== '…') return lines[0] === first && isShown(lines.slice(1), rest)
  return lines.some((_, at) => isShown(lines.slice(at), rest)) || rest.length === 0
}
