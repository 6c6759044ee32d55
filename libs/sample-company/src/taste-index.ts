import type { CompanyKey } from './company-size.ts'
import { titleCountOn } from './company-size.ts'
import { preferredGenres } from './users.ts'
import { titleGenres, titleRuntime } from './titles.ts'
import { GENRES } from './words.ts'

/** The data that the generator of viewings needs of every title at once: six bytes each. */
export type TasteIndex = {
  /** One bit per genre, in the order of the word list. */
  readonly genres: Uint32Array
  readonly runtimeMinutes: Uint16Array
}

export function tasteIndex(company: CompanyKey, day: number): TasteIndex {
  const count = titleCountOn(company.size, day)
  const genres = new Uint32Array(count)
  const runtimeMinutes = new Uint16Array(count)
  for (let index = 0; index < count; index += 1) {
    genres[index] = genreBits(titleGenres(company, index))
    runtimeMinutes[index] = titleRuntime(company, index)
  }
  return { genres, runtimeMinutes }
}

/** The genres that a user likes, as bits; 0 for a user without preferences. */
export function tasteOf(company: CompanyKey, index: number): number {
  return genreBits(preferredGenres(company, index))
}

function genreBits(genres: readonly string[]): number {
  return genres.reduce((bits, genre) => bits | (1 << GENRES.indexOf(genre as 'Action')), 0)
}
