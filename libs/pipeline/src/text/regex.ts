/** The engine's regular expressions are RE2, which has no constructs that need backtracking. Source: github.com/google/re2/wiki/Syntax */
const NOT_IN_RE2: readonly (readonly [RegExp, string])[] = [
  [/(?<!\\)\(\?<?[=!]/, 'look-ahead and look-behind'],
  [/\\[1-9]/, 'back-references'],
  [/(?<!\\)[*+?}]\+/, 'possessive quantifiers'],
]

/** Why a regular expression is invalid, or undefined. */
export function regexProblem(pattern: string): { readonly message: string; readonly remedy: string } | undefined {
  for (const [form, what] of NOT_IN_RE2) {
    if (form.test(pattern)) {
      return {
        message: `the regular expression '${pattern}' has ${what}, which the engine does not know`,
        remedy: 'write it without (RE2 syntax)',
      }
    }
  }
  const error = compileError(pattern)
  if (error === undefined) return undefined
  return {
    message: `the regular expression '${pattern}' is wrong: ${error}`,
    remedy: 'correct it; a sign that is meant as itself needs `\\` before it',
  }
}

/** The number of groups in a valid regular expression. Counted from the text, since executing it has unbounded cost. */
export function groupCount(pattern: string): number {
  const tokens = portable(pattern).matchAll(/\\[^]|\[\^?(?:\\[^]|[^\]\\])*\]|\((?!\?(?!<))/g)
  return [...tokens].filter(([token]) => token === '(').length
}

function compileError(pattern: string): string | undefined {
  try {
    void new RegExp(portable(pattern))
    return undefined
  } catch (error) {
    return error instanceof Error
      ? error.message.replace(/^Invalid regular expression: \/[\s\S]*\/[a-z]*: /, '')
      : String(error)
  }
}

/** RE2's own syntax as JavaScript's: flags at the start, named groups. */
function portable(pattern: string): string {
  return pattern.replace(/^\(\?[imsU-]+\)/, '').replaceAll('(?P<', '(?<')
}
