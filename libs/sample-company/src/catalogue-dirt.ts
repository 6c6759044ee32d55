/** Defects of a title's row, as in real catalogues. */
export type Dirt =
  | 'exact-duplicate'
  /** A newer row of the same title that lacks the score and the votes. */
  | 'partial-duplicate'
  | 'date-typo'
  | 'score-out-of-range'
  | 'missing-id'
  | 'cut-off'
  | 'unknown-type'
  | 'runtime-zero'
  | 'score-missing'
  | 'quoted-newline'

/** Titles by their place among 400: a company of 2,000 titles has each of these five times. */
const DIRT_PERIOD = 400
const DIRT_AT: ReadonlyMap<number, Dirt> = new Map([
  [3, 'exact-duplicate'],
  [133, 'exact-duplicate'],
  [266, 'exact-duplicate'],
  [7, 'partial-duplicate'],
  [101, 'partial-duplicate'],
  [207, 'partial-duplicate'],
  [11, 'date-typo'],
  [311, 'date-typo'],
  [13, 'score-out-of-range'],
  [17, 'missing-id'],
  [19, 'cut-off'],
  [23, 'unknown-type'],
  [29, 'runtime-zero'],
  [129, 'runtime-zero'],
  [229, 'runtime-zero'],
  [31, 'score-missing'],
  [61, 'score-missing'],
  [91, 'score-missing'],
  [37, 'quoted-newline'],
  [137, 'quoted-newline'],
  [237, 'quoted-newline'],
])

const FIXED_THE_NEXT_DAY: ReadonlySet<Dirt> = new Set([
  'date-typo',
  'score-out-of-range',
  'missing-id',
  'cut-off',
  'unknown-type',
])

/** The defect of the row with which a title first appears. */
export function dirtOf(index: number): Dirt | undefined {
  return DIRT_AT.get(index % DIRT_PERIOD)
}

/** Whether the first row of a title is unusable, so that the supplier sends it again on the next day. */
export function isFixedTheNextDay(index: number): boolean {
  const dirt = dirtOf(index)
  return dirt !== undefined && FIXED_THE_NEXT_DAY.has(dirt)
}
