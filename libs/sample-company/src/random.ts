/**
 * Random numbers that depend only on a seed and their purpose: the row with index 7 is the same whether or not the rows
 * before it were generated. So a company of any size can be written as a stream.
 */
export type Random = {
  /** Uniform in [0, 1). */
  real(): number
  /** A whole number, uniform in [0, bound). */
  int(bound: number): number
  chance(probability: number): boolean
  pick<Item>(items: readonly [Item, ...Item[]]): Item
  /** Standard normal distribution. */
  normal(): number
}

/** The purposes of random numbers: streams never share a number. */
const STREAMS = {
  title: 1,
  titleText: 2,
  titleChange: 3,
  titleRow: 4,
  credits: 5,
  user: 6,
  userChange: 7,
  device: 8,
  payment: 9,
  viewing: 10,
  titleGenres: 11,
  userTaste: 12,
} as const

export type Stream = keyof typeof STREAMS

/** @param index row number, @param day day of the company, for values that change from day to day */
export function randomOf(seed: number, stream: Stream, index: number, day = 0): Random {
  let state = mix(mix(mix(seed ^ 0x9e3779b9) ^ (STREAMS[stream] * 0x85ebca6b)) ^ Math.imul(index + 1, 0xc2b2ae35))
  state = mix(state ^ Math.imul(day + 1, 0x27d4eb2f))
  /** Mulberry32. Source: https://gist.github.com/tommyettinger/46a874533244883189143505d203312c (public domain) */
  const real = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let word = Math.imul(state ^ (state >>> 15), state | 1)
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61)
    return ((word ^ (word >>> 14)) >>> 0) / 4_294_967_296
  }
  const int = (bound: number): number => Math.floor(real() * bound)
  return {
    real,
    int,
    chance: (probability) => real() < probability,
    pick: (items) => items[int(items.length)] ?? items[0],
    normal: () => Math.sqrt(-2 * Math.log(1 - real())) * Math.cos(2 * Math.PI * real()),
  }
}

/** The finalizer of MurmurHash3: every bit of the input changes about half of the output's. Public domain. */
function mix(word: number): number {
  let mixed = word | 0
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
