import { compilePattern, exactly, repeat, sequence, type Matcher, type Pattern } from '@cinelake/core'
import { fileErrors } from './errors.ts'

/** The parts of a business time that a name may contain, with the number of digits of each. */
export const TIME_PARTS = { yyyy: 4, MM: 2, dd: 2, HH: 2 } as const
export type TimePart = keyof typeof TIME_PARTS

/** One segment of a glob: `**` for any number of folders, else a pattern for one name. */
export type GlobSegment =
  | 'any-depth'
  | {
      readonly pattern: Pattern
      readonly parts: readonly TimePart[]
      /** Whether this segment matches a name of a folder or a file. */
      readonly takes: (name: string) => boolean
    }

const isSlash = (char: string) => char === '/'
const isDot = (char: string) => char === '.'

const NO_DOT: Pattern = { kind: 'not-before', test: isDot }
const ANY_CHAR: Pattern = { kind: 'char', test: (char) => !isSlash(char) }
const DIGIT: Pattern = { kind: 'char', test: (char) => char >= '0' && char <= '9' }

/** Any name except those that begin with a dot. */
export const ANY_NAME: GlobSegment = segmentOf(sequence(NO_DOT, repeat(ANY_CHAR, 1)), [])

/**
 * A glob as one pattern per folder: `*`, `?`, `[abc]`, `[!a-z]`, `{a,b}`, `**`, and time parts, each a capture group. As in a
 * shell, no wildcard matches a dot at the beginning of a name. Compiled to a linear pattern: libraries for globs backtrack (ADR 16).
 * @throws {FILES_PATTERN_INVALID} terminal
 */
export function parseGlob(pattern: string): GlobSegment[] {
  if (pattern === '')
    throw fileErrors.FILES_PATTERN_INVALID(pattern, 'expected a pattern such as `*.csv`, got an empty text')
  return pattern.split('/').map((segment) => {
    if (segment === '')
      throw fileErrors.FILES_PATTERN_INVALID(
        pattern,
        'expected a path below the folder, got an empty step (`//`, or `/` at an end)',
      )
    if (segment === '.' || segment === '..')
      throw fileErrors.FILES_PATTERN_INVALID(pattern, `expected a path below the folder, got \`${segment}\``)
    if (segment === '**') return 'any-depth'
    return parseSegment(segment, pattern)
  })
}

/** A whole glob as one pattern for paths. */
export function pathPattern(segments: readonly GlobSegment[]): Pattern {
  const anyFolder = sequence(NO_DOT, repeat(ANY_CHAR, 1), exactly('/'))
  return sequence(
    ...segments.flatMap((segment, index): Pattern[] => {
      const isLast = index === segments.length - 1
      if (segment === 'any-depth') return [repeat(anyFolder), ...(isLast ? [NO_DOT, repeat(ANY_CHAR, 1)] : [])]
      return isLast ? [segment.pattern] : [segment.pattern, exactly('/')]
    }),
  )
}

function segmentOf(pattern: Pattern, parts: readonly TimePart[]): GlobSegment {
  let matcher: Matcher | undefined
  return { pattern, parts, takes: (name) => (matcher ??= compilePattern(pattern)).match(name) !== undefined }
}

function parseSegment(segment: string, pattern: string): GlobSegment {
  const parts: TimePart[] = []
  const tokens: Pattern[] = /^[*?[]/.test(segment) ? [NO_DOT] : []
  for (let at = 0; at < segment.length;) {
    const [token, length] = parseToken(segment.slice(at), pattern, parts)
    tokens.push(token)
    at += length
  }
  return segmentOf(sequence(...tokens), parts)
}

/** The pattern for the next token of a glob, and the length of that token. */
function parseToken(rest: string, pattern: string, parts: TimePart[]): [token: Pattern, length: number] {
  if (rest.startsWith('*')) return [repeat(ANY_CHAR), 1]
  if (rest.startsWith('?')) return [ANY_CHAR, 1]
  if (rest.startsWith('[')) return parseClass(rest, pattern)
  if (rest.startsWith('{')) return parseBraces(rest, pattern, parts)
  const [char = ''] = rest
  return [exactly(char), char.length]
}

function parseClass(rest: string, pattern: string): [Pattern, number] {
  const [whole, not, chars] = /^\[(!?)([^\]]+)\]/.exec(rest) ?? []
  if (whole === undefined || chars === undefined) {
    throw fileErrors.FILES_PATTERN_INVALID(pattern, 'expected `]` after `[`; write `[[]` for a bracket itself')
  }
  const isOneOf = classTest(chars, pattern)
  const isNot = not === '!'
  return [{ kind: 'char', test: (char) => !isSlash(char) && isOneOf(char) !== isNot }, whole.length]
}

/** A set of single characters, so that the expression never backtracks. */
function classTest(chars: string, pattern: string): (char: string) => boolean {
  try {
    const expression = new RegExp(`^[${chars.replaceAll(/[\\\]^[]/g, String.raw`\$&`)}]$`, 'u')
    return (char) => expression.test(char)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw fileErrors.FILES_PATTERN_INVALID(pattern, 'expected ranges from low to high in brackets, such as [a-z]')
  }
}

function parseBraces(rest: string, pattern: string, parts: TimePart[]): [Pattern, number] {
  const [whole, inside] = /^\{([^{}]*)\}/.exec(rest) ?? []
  if (whole === undefined || inside === undefined) {
    throw fileErrors.FILES_PATTERN_INVALID(pattern, 'expected `}` after `{`; braces do not nest')
  }
  if (isTimePart(inside)) {
    parts.push(inside)
    const digits = TIME_PARTS[inside]
    return [{ kind: 'group', of: repeat(DIGIT, digits, digits) }, whole.length]
  }
  if (!inside.includes(',')) {
    const known = Object.keys(TIME_PARTS)
      .map((part) => `{${part}}`)
      .join(', ')
    throw fileErrors.FILES_PATTERN_INVALID(
      pattern,
      `expected one of ${known} or alternatives such as {csv,txt}, got ${whole}`,
    )
  }
  return [{ kind: 'alternatives', of: inside.split(',').map(exactly) }, whole.length]
}

function isTimePart(text: string): text is TimePart {
  return Object.hasOwn(TIME_PARTS, text)
}
