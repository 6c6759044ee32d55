import { identifier } from '@cinelake/sql'
import { WINDOW_COLUMN as WINDOW, type CheckedDataset } from '@cinelake/pipeline'

/** The start of the window in which a row landed, as SQL names it. */
export const WINDOW_COLUMN = identifier(WINDOW.name)

type Resolution = { readonly when?: string; readonly columns?: Readonly<Record<string, string>> }

/**
 * What becomes of a row that is there already when another of its key lands: the newer one wins, whichever comes first,
 * so that windows may be refined in any order. With `fill` the winner's missing values are taken from the other.
 */
export function mergeResolution({
  contract,
  newestBy,
  duplicates,
}: Pick<CheckedDataset, 'contract' | 'newestBy' | 'duplicates'>): Resolution {
  const wins = isNewer([...newestBy.map(identifier), WINDOW_COLUMN])
  if (duplicates === 'newest') return { when: wins }
  const filled = contract.columns.map(({ name }) => {
    const [before, after] = [`old.${identifier(name)}`, `new.${identifier(name)}`]
    return [
      name,
      `CASE WHEN ${wins} THEN coalesce(${after}, ${before}) ELSE coalesce(${before}, ${after}) END`,
    ] as const
  })
  const window = `CASE WHEN ${wins} THEN new.${WINDOW_COLUMN} ELSE old.${WINDOW_COLUMN} END`
  return { columns: { ...Object.fromEntries(filled), _window: window } }
}

/** Whether the new row is at least as new as the old one, by the first column in which they differ; NULL is oldest. */
function isNewer([column, ...rest]: readonly string[]): string {
  if (column === undefined) return 'true'
  const [before, after] = [`old.${column}`, `new.${column}`]
  return `CASE WHEN ${after} IS NOT DISTINCT FROM ${before} THEN ${isNewer(rest)} ELSE coalesce(${after} > ${before}, ${before} IS NULL) END`
}
