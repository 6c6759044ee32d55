import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'

/** What the pages for operators say is held against what there is: shell, paths, error codes. Its commands are those of all pages: `docs-commands.test.ts`. */

const ROOT = join(import.meta.dirname, '..')
const PAGES = ['docs/deploy-aks.md', 'docs/on-prem-agent.md', 'docs/runbook.md', 'k8s/README.md']
const textOf = (page: string) => readFileSync(join(ROOT, page), 'utf8')

const sources = globSync('{apps,libs}/*/src/**/*.ts', { cwd: ROOT })
  .filter((path) => !path.endsWith('.test.ts'))
  .map(textOf)
  .join('\n')

/** Parses without running. Empty when bash has nothing against it. */
function shellProblems(script: string): string {
  return spawnSync('bash', ['-n'], { input: script, encoding: 'utf8' }).stderr
}

function blocksOf(page: string, language: string): string[] {
  return [...textOf(page).matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(
    ([, block = '']) => block,
  )
}

describe.each(PAGES)('%s', (page) => {
  test('has shell that bash can read', () => {
    const blocks = blocksOf(page, 'sh')

    expect(blocks.length).toBeGreaterThan(1)
    expect(blocks.map(shellProblems).filter((problem) => problem !== '')).toEqual([])
  })

  test('links to what is there', () => {
    const targets = [...textOf(page).matchAll(/\]\(([^)#:]*)(?:#([^)]+))?\)/g)].map(([, path = '', anchor]) => ({
      file: path === '' ? page : join(dirname(page), path),
      anchor,
    }))

    expect(targets.filter(({ file }) => !existsSync(join(ROOT, file)))).toEqual([])
    expect(targets.filter(({ file, anchor }) => anchor !== undefined && !anchorsOf(file).includes(anchor))).toEqual([])
  })

  test('names error codes that the code has', () => {
    const codes = [...textOf(page).matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)].map(([, code = '']) => code)
    const isCode = (code: string) => !/^(CINELAKE|NODE|HTTPS|NO|AZURE|CRM|BILLING|OTT|OTEL)_/.test(code)

    expect(
      codes
        .filter(isCode)
        .filter((code) => !new RegExp(`'${code}'|\\b${code}: (?:terminal|transient)\\(`).test(sources)),
    ).toEqual([])
  })

  test('names settings that the code has', () => {
    const settings = [...textOf(page).matchAll(/\bCINELAKE_[A-Z_]+\b/g)].map(([name]) => name)

    expect(settings.filter((name) => !sources.includes(name))).toEqual([])
  })
})

/** Anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page: string): string[] {
  return [...textOf(page).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .trim()
      .replaceAll(/\s/g, '-'),
  )
}

test('the runbook has every error of tables, lake, engine and mart', () => {
  const codes = [
    ...sources.matchAll(
      /(?:readonly code(?:: string)? = '|^ +)((?:DELTA|WAREHOUSE|ENGINE|REFINE|BUILD|RAW|TABLE|LAKE)_[A-Z_]+)(?:'|: (?:terminal|transient)\()/gm,
    ),
  ].map(([, code = '']) => code)
  const runbook = textOf('docs/runbook.md')

  expect(codes.length).toBeGreaterThan(40)
  expect([...new Set(codes)].filter((code) => !runbook.includes(`\`${code}\``))).toEqual([])
})

test('shell that bash cannot read is found', () => {
  expect(shellProblems('for x in a b; do echo "$x"\n')).toContain('syntax error')
})

test('source files that pages name are there', () => {
  const pages = ['README.md', 'CONTRIBUTING.md', ...globSync('docs/**/*.md', { cwd: ROOT })]
  const named = pages.flatMap((page) =>
    [...textOf(page).matchAll(/`((?:apps|libs|test|tools)\/[\w./-]+\.ts)`/g)].map(([, path = '']) => ({ page, path })),
  )

  expect(named.length).toBeGreaterThan(15)
  expect(named.filter(({ path }) => !existsSync(join(ROOT, path)))).toEqual([])
})
