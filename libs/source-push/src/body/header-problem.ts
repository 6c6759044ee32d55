import { csvRow, HEAD_BYTES, matchColumns } from '@cinelake/csv'
import type { ContractColumns } from './body-check.ts'

/** Why rows with these columns cannot be refined. Names columns, never their values. */
export type HeaderProblem = { readonly expected: string; readonly got: string }

/** Bytes of the names of all columns together: a header has to end within the beginning of a file that is read for detection. */
const MAX_HEADER_BYTES = HEAD_BYTES / 2

/**
 * Why rows with these columns could not be refined, determined by the code that finds the contract's columns in a header.
 * @returns undefined if they can be refined
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

/** The name that each column of the contract is read from. */
export function namesRead(names: readonly string[], contract: ContractColumns): readonly (string | undefined)[] {
  if (contract === undefined) return []
  return matchColumns(names, contract).places.map((place) => (place === undefined ? undefined : names[place]))
}
