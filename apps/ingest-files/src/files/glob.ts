import { FilePatternInvalidError } from './errors.ts'

/** The parts of a business time that a name may hold, with the number of digits of each. */
export const TIME_PARTS = { yyyy: 4, MM: 2, dd: 2, HH: 2 } as const
export type TimePart = keyof typeof TIME_PARTS

/** One step of a pattern's way through folders: `**` for any number of folders, else an expression for one name. */
export type GlobSegment = 'any-depth' | { readonly expression: string; readonly parts: readonly TimePart[] }

/**
 * A glob as one regular expression per folder: `*`, `?`, `[abc]`, `[!a-z]`, `{a,b}`, `**`, and time parts, each a group.
 * As in a shell, no wildcard stands for a dot at the beginning of a name.
 * @throws {FilePatternInvalidError} terminal
 */
export function parseGlob(pattern: string): GlobSegment[] {
  if (pattern === '')
    throw new FilePatternInvalidError(pattern, 'expected a pattern such as `*.csv`, got an empty text')
  return pattern.split('/').map((segment) => {
    if (segment === '')
      throw new FilePatternInvalidError(
        pattern,
        'expected a path below the folder, got an empty step (`//`, or `/` at an end)',
      )
    if (segment === '.' || segment === '..')
      throw new FilePatternInvalidError(pattern, `expected a path below the folder, got \`${segment}\``)
    if (segment === '**') return 'any-depth'
    return parseSegment(segment, pattern)
  })
}

function parseSegment(segment: string, pattern: string): { expression: string; parts: TimePart[] } {
  const parts: TimePart[] = []
  let expression = /^[*?[]/.test(segment) ? String.raw`(?!\.)` : ''
  for (let at = 0; at < segment.length;) {
    const rest = segment.slice(at)
    const [text, length] = parseToken(rest, pattern, parts)
    expression += text
    at += length
  }
  return { expression, parts }
}

/** The expression for what a text begins with, and how much of the text that is. */
function parseToken(rest: string, pattern: string, parts: TimePart[]): [expression: string, length: number] {
  if (rest.startsWith('*')) return ['[^/]*', 1]
  if (rest.startsWith('?')) return ['[^/]', 1]
  if (rest.startsWith('[')) return parseClass(rest, pattern)
  if (rest.startsWith('{')) return parseBraces(rest, pattern, parts)
  const [char = ''] = rest
  return [escapeExpression(char), char.length]
}

function parseClass(rest: string, pattern: string): [string, number] {
  const [whole, not, chars] = /^\[(!?)([^\]]+)\]/.exec(rest) ?? []
  if (whole === undefined || chars === undefined) {
    throw new FilePatternInvalidError(pattern, 'expected `]` after `[`; write `[[]` for a bracket itself')
  }
  const escaped = chars.replaceAll(/[\\\]^[]/g, String.raw`\$&`)
  return [not === '!' ? `[^/${escaped}]` : `(?!/)[${escaped}]`, whole.length]
}

function parseBraces(rest: string, pattern: string, parts: TimePart[]): [string, number] {
  const [whole, inside] = /^\{([^{}]*)\}/.exec(rest) ?? []
  if (whole === undefined || inside === undefined) {
    throw new FilePatternInvalidError(pattern, 'expected `}` after `{`; braces do not nest')
  }
  if (isTimePart(inside)) {
    parts.push(inside)
    return [String.raw`(\d{${TIME_PARTS[inside]}})`, whole.length]
  }
  if (!inside.includes(',')) {
    const known = Object.keys(TIME_PARTS)
      .map((part) => `{${part}}`)
      .join(', ')
    throw new FilePatternInvalidError(
      pattern,
      `expected one of ${known} or alternatives such as {csv,txt}, got ${whole}`,
    )
  }
  return [`(?:${inside.split(',').map(escapeExpression).join('|')})`, whole.length]
}

function isTimePart(text: string): text is TimePart {
  return Object.hasOwn(TIME_PARTS, text)
}

function escapeExpression(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
}
