/**
 * A text pattern, composed of parts. A user's glob or regular expression is compiled to one of these instead of a
 * `RegExp`: JavaScript's matcher backtracks, so a short pattern and a short text can take it years, and a running match
 * cannot be interrupted.
 */
export type Pattern =
  | { readonly kind: 'char'; readonly test: (char: string) => boolean }
  | { readonly kind: 'sequence'; readonly of: readonly Pattern[] }
  | { readonly kind: 'alternatives'; readonly of: readonly Pattern[] }
  /** Repetition, greedy. `max` may be Infinity. */
  | { readonly kind: 'repeat'; readonly of: Pattern; readonly min: number; readonly max: number }
  /** A capturing group. */
  | { readonly kind: 'group'; readonly of: Pattern }
  /** Zero-width: the start of the text. */
  | { readonly kind: 'start' }
  /** Zero-width: the next character, if there is one, is none of these. */
  | { readonly kind: 'not-before'; readonly test: (char: string) => boolean }

/** Matches a text literally. */
export function exactly(text: string): Pattern {
  return { kind: 'sequence', of: Array.from(text, (own): Pattern => ({ kind: 'char', test: (char) => char === own })) }
}

export function sequence(...of: readonly Pattern[]): Pattern {
  return { kind: 'sequence', of }
}

export function repeat(of: Pattern, min = 0, max = Infinity): Pattern {
  return { kind: 'repeat', of, min, max }
}

export type Matcher = {
  /**
   * Compares a whole text, in time that grows with its length times the length of the pattern.
   * @param onStep called for each step, so that the work can be counted
   * @returns the text that each group captured, where it took part; undefined where the text does not match
   */
  match(text: string, onStep?: () => void): readonly (string | undefined)[] | undefined
}

/** Steps of a compiled pattern: deeply nested repetitions that would expand to more are refused. */
const MAX_OPS = 20_000

type Op =
  | { readonly op: 'char' | 'not-before'; readonly test: (char: string) => boolean }
  | { readonly op: 'split'; first: number; second: number }
  | { readonly op: 'save'; readonly slot: number }
  | { readonly op: 'start' }
  | { readonly op: 'end' }

/**
 * Compiles a pattern for Pike's matcher: all threads through the pattern advance in lockstep, one character at a time,
 * and of two threads that reach the same step the one that a backtracking matcher would have tried first is kept. So
 * groups capture the same text as with backtracking. Source: swtch.com/~rsc/regexp/regexp2.html
 * @throws {RangeError} a pattern that is too long when its repetitions are written out
 */
export function compilePattern(pattern: Pattern): Matcher {
  const ops: Op[] = []
  let groupCount = 0
  const emit = (op: Op): number => {
    if (ops.length >= MAX_OPS) throw new RangeError(`expected a pattern of at most ${MAX_OPS} steps, got more`)
    return ops.push(op) - 1
  }
  /** A branch around the steps of `body`; `isLoop`: with a jump back after them. */
  const optional = (body: () => void, isLoop: boolean) => {
    const split: Op = { op: 'split', first: 0, second: 0 }
    const at = emit(split)
    split.first = ops.length
    body()
    if (isLoop) emit({ op: 'split', first: at, second: at })
    split.second = ops.length
  }
  const compile = (part: Pattern): void => {
    if (part.kind === 'char' || part.kind === 'not-before') emit({ op: part.kind, test: part.test })
    else if (part.kind === 'start') emit({ op: 'start' })
    else if (part.kind === 'sequence') for (const each of part.of) compile(each)
    else if (part.kind === 'alternatives') compileAlternatives(part.of)
    else if (part.kind === 'group') {
      const slot = 2 * groupCount++
      emit({ op: 'save', slot })
      compile(part.of)
      emit({ op: 'save', slot: slot + 1 })
    } else {
      for (let count = 0; count < part.min; count++) compile(part.of)
      if (part.max === Infinity) optional(() => compile(part.of), true)
      else for (let count = part.min; count < part.max; count++) optional(() => compile(part.of), false)
    }
  }
  const compileAlternatives = (of: readonly Pattern[]) => {
    const exits: Extract<Op, { op: 'split' }>[] = []
    for (const [index, each] of of.entries()) {
      if (index === of.length - 1) {
        compile(each)
        continue
      }
      const split: Op = { op: 'split', first: 0, second: 0 }
      emit(split)
      split.first = ops.length
      compile(each)
      const exit: Op = { op: 'split', first: 0, second: 0 }
      emit(exit)
      exits.push(exit)
      split.second = ops.length
    }
    for (const exit of exits) exit.first = exit.second = ops.length
  }
  compile(pattern)
  emit({ op: 'end' })
  return { match: (text, onStep) => run(ops, groupCount, text, onStep) }
}

/** A thread: its step in the pattern, and what its groups captured so far: positions in the text, two per group. */
type Thread = { readonly at: number; readonly saved: readonly number[] }

function run(ops: readonly Op[], groupCount: number, text: string, onStep: () => void = () => {}) {
  const chars = Array.from(text)
  /** For each step the position at which it was last entered: a second thread there can only repeat the first. */
  const entered = new Int32Array(ops.length).fill(-1)
  /** Follows steps that consume no character. */
  const enter = (threads: Thread[], start: Thread, place: number) => {
    const open = [start]
    for (let thread = open.pop(); thread !== undefined; thread = open.pop()) {
      const { at, saved } = thread
      const op = ops[at]
      if (op === undefined || entered[at] === place) continue
      entered[at] = place
      onStep()
      if (op.op === 'split') {
        if (op.second !== op.first) open.push({ at: op.second, saved })
        open.push({ at: op.first, saved })
      } else if (op.op === 'save') {
        const own = [...saved]
        own[op.slot] = place
        open.push({ at: at + 1, saved: own })
      } else if (op.op === 'start') {
        if (place === 0) open.push({ at: at + 1, saved })
      } else if (op.op === 'not-before') {
        const next = chars[place]
        if (next === undefined || !op.test(next)) open.push({ at: at + 1, saved })
      } else threads.push(thread)
    }
  }
  let threads: Thread[] = []
  enter(threads, { at: 0, saved: [] }, 0)
  for (const [place, char] of chars.entries()) {
    const next: Thread[] = []
    for (const { at, saved } of threads) {
      onStep()
      const op = ops[at]
      if (op?.op === 'char' && op.test(char)) enter(next, { at: at + 1, saved }, place + 1)
    }
    if (next.length === 0) return undefined
    threads = next
  }
  const found = threads.find(({ at }) => ops[at]?.op === 'end')
  if (found === undefined) return undefined
  return Array.from({ length: groupCount }, (_, group) => {
    const [from, to] = [found.saved[2 * group], found.saved[2 * group + 1]]
    return from === undefined || to === undefined ? undefined : chars.slice(from, to).join('')
  })
}
