import { compilePattern, exactly, repeat, sequence, type Matcher, type Pattern } from '@cinelake/core'

const ANY: Pattern = { kind: 'char', test: () => true }
const DOT: Pattern = { kind: 'char', test: (char) => char !== '\n' && char !== '\r' }
const END: Pattern = { kind: 'not-before', test: () => true }

/** The characters that `\` escapes, and the three control characters that it denotes. */
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }
const ESCAPED = /[()*+\-.?[\\\]^{|}$]/

class Unreadable extends Error {}

/**
 * A regular expression of JSONPath (RFC 9485), matched in linear time: the API controls the text, and a
 * backtracking matcher could run without bound.
 * @param isPart of `search`: matches any part of the text
 * @returns undefined for an invalid expression
 */
export function compileIRegexp(text: string, isPart: boolean): Matcher | undefined {
  try {
    const parser = new Parser(text)
    const pattern = parser.alternatives()
    if (!parser.isAtEnd) return undefined
    return compilePattern(isPart ? sequence(repeat(ANY), pattern, repeat(ANY)) : pattern)
  } catch (error) {
    if (error instanceof Unreadable || error instanceof RangeError) return undefined
    throw error
  }
}

/** Maximum nesting of groups. */
const MAX_DEPTH = 100

class Parser {
  readonly #text: string
  #at = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  get isAtEnd(): boolean {
    return this.#at === this.#text.length
  }

  alternatives(): Pattern {
    if (++this.#depth > MAX_DEPTH) throw new Unreadable()
    const of: Pattern[] = []
    do of.push(this.#branch())
    while (this.#takes('|'))
    this.#depth--
    return { kind: 'alternatives', of }
  }

  #branch(): Pattern {
    const pieces: Pattern[] = []
    while (!this.isAtEnd && !'|)'.includes(this.#text[this.#at] ?? '')) pieces.push(this.#quantified(this.#atom()))
    return sequence(...pieces)
  }

  #atom(): Pattern {
    if (this.#takes('(')) {
      const inside = this.alternatives()
      if (!this.#takes(')')) throw new Unreadable()
      return inside
    }
    if (this.#takes('.')) return DOT
    // The standard has no anchors; they are supported, since many authors write them.
    if (this.#takes('^')) return { kind: 'start' }
    if (this.#takes('$')) return END
    const set = this.#match(/\[\^?(?:\\[^]|[^\]\\])+\]|\\[pP]\{[A-Za-z]{1,2}\}/y)
    if (set !== undefined) return oneOf(set)
    if (this.#takes('\\')) return this.#escape()
    const char = this.#match(/[^()*+.?[\\\]{|}]/uy)
    if (char === undefined) throw new Unreadable()
    return exactly(char)
  }

  #escape(): Pattern {
    const [char = ''] = this.#text.slice(this.#at)
    this.#at += char.length
    const meant = ESCAPES[char] ?? (ESCAPED.test(char) ? char : undefined)
    if (meant === undefined) throw new Unreadable()
    return exactly(meant)
  }

  #quantified(atom: Pattern): Pattern {
    if ((atom.kind === 'start' || atom === END) && /[*+?{]/.test(this.#text[this.#at] ?? '')) throw new Unreadable()
    if (this.#takes('*')) return repeat(atom)
    if (this.#takes('+')) return repeat(atom, 1)
    if (this.#takes('?')) return repeat(atom, 0, 1)
    const range = this.#match(/\{\d{1,5}(?:,(?:\d{1,5})?)?\}/y)
    if (range === undefined) return atom
    const [min = 0, max = min] = range
      .slice(1, -1)
      .split(',')
      .map((count) => (count === '' ? Infinity : Number(count)))
    if (max < min) throw new Unreadable()
    return repeat(atom, min, max)
  }

  #takes(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false
    this.#at += text.length
    return true
  }

  #match(expression: RegExp): string | undefined {
    expression.lastIndex = this.#at
    const [found] = expression.exec(this.#text) ?? []
    this.#at += found?.length ?? 0
    return found
  }
}

/** A set of single characters, so that the expression never backtracks. */
function oneOf(set: string): Pattern {
  try {
    const expression = new RegExp(`^${set}$`, 'u')
    return { kind: 'char', test: (char) => expression.test(char) }
  } catch (error) {
    throw error instanceof SyntaxError ? new Unreadable() : error
  }
}
