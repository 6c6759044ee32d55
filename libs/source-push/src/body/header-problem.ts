import { HEAD_BYTES, matchColumns } from '@cinelake/csv'
import type { ContractColumns } from './body-check.ts'
import { csvRow } from '@cinelake/core'

/** Why rows with these columns cannot be refined. Names columns, never what is in them. */
export type HeaderProblem = { readonly expected: string; readonly got: string }

/** Bytes that the names of all columns may take together: a header has to end within what is read of a file first. */
const MAX_HEADER_BYTES = HEAD_BYTES / 2

/**
 * What keeps rows with these columns from being refined, by the code that looks for the contract's columns then.
 * @returns undefined where nothing does
 */
export function headerProblem(names: readonly string[], contract: ContractColumns): HeaderProblem | undefined {
  const odd = names.findIndex((name) => /[\p{Cc}\p{Surrogate}]/u.test(name))
  if (odd >= 0) return { expected: 'names that can be shown', got: `control characters in that of column ${odd + 1}` }
  if (Buffer.byteLength(csvRow(names)) > MAX_HEADER_BYTES)
    return { expected: `names of at most ${MAX_HEADER_BYTES} bytes together`, got: 'more' }
  if (contract === undefined) {
    const twice = names.find((name, index) => names.indexOf(name) !== index)
    return twice === undefined ? undefined : { expected: 'each column once', got: `\`${twice}\` twice` }
  }
  const [problem] = matchColumns(names, contract).problems
  return problem === undefined ? undefined : { expected: 'the columns of the contract', got: `others: ${problem}` }
}

/** Which of the names each column of the contract is read from. */
export function namesRead(names: readonly string[], contract: ContractColumns): readonly (string | undefined)[] {
  if (contract === undefined) return []
  return matchColumns(names, contract).places.map((place) => (place === undefined ? undefined : names[place]))
}
