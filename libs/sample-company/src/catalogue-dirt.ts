/** Titles are dirty by their place among 400: a company of 2,000 titles has each of these five times. */
const DIRT_PERIOD = 400

/** Defects of a title's row, as in real catalogues, with their places. */
const PLACES = {
  'exact-duplicate': [3, 133, 266],
  /** A newer row of the same title that lacks the score and the votes. */
  'partial-duplicate': [7, 101, 207],
  'date-typo': [11, 311],
  'score-out-of-range': [13],
  'missing-id': [17],
  'cut-off': [19],
  'unknown-type': [23],
  'runtime-zero': [29, 129, 229],
  'score-missing': [31, 61, 91],
  'quoted-newline': [37, 137, 237],
} as const
export type Dirt = keyof typeof PLACES

const DIRT_AT: ReadonlyMap<number, Dirt> = new Map(
  Object.entries(PLACES).flatMap(([dirt, places]) => places.map((place) => [place, dirt as Dirt] as const)),
)

const FIXED_THE_NEXT_DAY = new Set<Dirt>(['date-typo', 'score-out-of-range', 'missing-id', 'cut-off', 'unknown-type'])

/** The defect of the row with which a title first appears. */
export function dirtOf(index: number): Dirt | undefined {
  return DIRT_AT.get(index % DIRT_PERIOD)
}

/** Whether the first row of a title is unusable, so that the supplier sends it again on the next day. */
export function isFixedTheNextDay(index: number): boolean {
  const dirt = dirtOf(index)
  return dirt !== undefined && FIXED_THE_NEXT_DAY.has(dirt)
}
