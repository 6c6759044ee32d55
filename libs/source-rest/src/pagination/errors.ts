import { defineErrors, terminal, TerminalError, transient } from '@cinelake/core'
import type { RequestPlace } from '../errors.ts'

const at = ({ source, dataset, address, page }: RequestPlace) =>
  `source=${source} dataset=${dataset} page=${page} address=${address}`

export const paginationErrors = defineErrors({
  /** More pages than the pipeline allows. */
  REST_TOO_MANY_PAGES: terminal((place: RequestPlace, maxPages: number) => [
    `API has more pages than were expected [${at(place)}]: expected at most ${maxPages}, got one more; raise the pagination's \`maxPages\`, ask for larger pages, or say \`atMaxPages: stop\` where the rest is not needed`,
    { ...place, maxPages },
  ]),

  /** The pages ended before the total that the server declares was reached. */
  REST_PAGES_INCOMPLETE: transient((place: RequestPlace, expected: number, actual: number) => [
    `API's pages end too early [${at(place)}]: expected the ${expected} records that it counts, got ${actual}; the next attempt reads them again; if it stays so, the API hides what is far behind: read it in parts, by \`query\``,
    { ...place, expected, actual },
  ]),

  /** A last page without the cursor for the next window. */
  REST_CURSOR_MISSING: terminal((place: RequestPlace, path: string) => [
    `last page does not say where the next window begins [${at(place)} path=${path}]: expected a cursor, got nothing, so that everything would be read each time; correct the \`path\` of \`incremental.cursor\`, or the pagination that took this page for the last`,
    { ...place, path },
  ]),
})

/** A response that indicates more pages, but not in a way that `auto` detects. */
export class RestPaginationUnknownError extends TerminalError {
  readonly code = 'REST_PAGINATION_UNKNOWN'

  constructor(place: RequestPlace, hint: string) {
    super(
      `API's pagination is not recognised [${at(place)}]: expected one of the common ways to a next page, got none, while ${hint}; write the dataset's \`pagination\` out`,
      { ...place, hint },
    )
  }
}
