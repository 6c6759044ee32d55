import { suggest } from '@cinelake/core'

/** The parts of a business time that a file's name may hold, from the largest on. */
const TIME_PARTS: readonly string[] = ['yyyy', 'MM', 'dd', 'HH']

/** What is wrong with a dataset's `files`, all of it. */
export function filePatternProblems(pattern: string): { readonly message: string; readonly remedy: string }[] {
  const found: { readonly message: string; readonly remedy: string }[] = []
  const parts = [...pattern.matchAll(/\{([^{},]*)\}/g)].map(([, part = '']) => part)
  for (const part of parts.filter((name) => !TIME_PARTS.includes(name))) {
    found.push({ message: `unknown part \`{${part}}\` in a file pattern`, remedy: suggest(part, TIME_PARTS) })
  }
  const known = TIME_PARTS.filter((part) => parts.includes(part))
  if (found.length === 0 && known.some((part, index) => part !== TIME_PARTS[index])) {
    found.push({
      message: `the file pattern '${pattern}' has no whole date`,
      remedy: 'expected a time from the year on: {yyyy}, {yyyy}{MM}, {yyyy}{MM}{dd} or {yyyy}{MM}{dd}{HH}',
    })
  }
  if (/^[/\\]|^[A-Za-z]:|\\/.test(pattern) || pattern.split('/').some((step) => ['', '.', '..'].includes(step))) {
    found.push({
      message: `the file pattern '${pattern}' is no path below the source's folder`,
      remedy: 'write it relative to the `path` of the source, with `/` between folders',
    })
  }
  if (/\[[^\]]*$/.test(pattern) || /\{[^}]*$/.test(pattern)) {
    found.push({
      message: `the file pattern '${pattern}' has an open bracket`,
      remedy: 'close it; a bracket itself is `[[]`',
    })
  }
  return found
}
