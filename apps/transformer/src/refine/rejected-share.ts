import type { CheckedDataset } from '@cinelake/pipeline'

/** By default a window fails in which more than this share of the rows is rejected. */
const DEFAULT_SHARE = 0.5

/** Of fewer rows, a share says little: by default they fail only together. */
const MIN_ROWS = 10

/**
 * What is expected of the number of rejected rows of a window, where there are too many: a changed format, or a file of
 * something else, would take the place of yesterday's table, or leave it without its news. Undefined where it is fine.
 */
export function tooManyRejected(
  { maxRejected }: Pick<CheckedDataset, 'maxRejected'>,
  { in: rowCount, rejected }: { readonly in: number; readonly rejected: number },
): string | undefined {
  if (rejected === 0) return undefined
  if (maxRejected === undefined && rowCount < MIN_ROWS) return rejected < rowCount ? undefined : 'a row that fits'
  const share = maxRejected ?? DEFAULT_SHARE
  return rejected <= rowCount * share ? undefined : `at most ${Number((share * 100).toFixed(6))}% of the rows rejected`
}
