import { defineErrors, terminal, TerminalError, transient, TransientError } from '@cinelake/core'
import type { QualityResult } from '@cinelake/contracts'

/** The request that an error is about. `address` is for people: no secrets, no user, and only values that are known to be harmless. */
export type RequestPlace = {
  readonly source: string
  readonly dataset: string
  readonly address: string
  readonly page: number
}

const at = ({ source, dataset, address, page }: RequestPlace) =>
  `source=${source} dataset=${dataset} page=${page} address=${address}`

export const restErrors = defineErrors({
  /** A base URL that is not a valid web address. Never shows it: it may contain a secret. */
  REST_ADDRESS_INVALID: terminal((source: string, problem: string) => [
    `address of the API is not usable [source=${source}]: expected \`baseUrl\` to be https://HOST/PATH, got ${problem}; correct it or the settings that it names`,
    { source, problem },
  ]),

  /** A header whose value cannot be sent. Never shows the value. */
  REST_HEADER_INVALID: terminal((source: string, header: string) => [
    `header cannot be sent [source=${source} header=${header}]: expected one line of ASCII, got other characters; correct the pipeline's text or the secret that it names (a line break at its end does no harm)`,
    { source, header },
  ]),

  /** A path of a body with invalid syntax. */
  REST_PATH_INVALID: terminal((path: string) => [
    `path into the body is not usable [path=${path}]: expected $, $.name.name, $['name'] or $.name[0], got something else; correct the dataset's \`records\` or \`pagination\``,
    { path },
  ]),

  /** A path whose evaluation would not end in reasonable time on a body of this size. */
  REST_PATH_TOO_COSTLY: terminal((path: string, got: string) => [
    `path into the body takes too much work [path=${path}]: expected work in proportion to the body, got ${got}; name the steps of the path instead of \`..\`, and let filters look at their own item (\`@\`) alone`,
    { path },
  ]),

  /** The server did not return the page within all tries of this attempt. */
  REST_UNAVAILABLE: transient((place: RequestPlace, reason: string, tryCount: number) => [
    `API does not give the page [${at(place)} tries=${tryCount}]: expected a page, got ${reason} each time; the next attempt asks again; if it stays so, ask the API's operator`,
    { ...place, reason, tries: tryCount },
  ]),

  /** The server requests a longer pause than a worker waits for. */
  REST_RATE_LIMITED: transient((place: RequestPlace, waitMs: number) => [
    `API asks for a long pause [${at(place)} seconds=${Math.ceil(waitMs / 1000)}]: expected less; a later attempt asks again; ask for fewer or larger pages, or for a higher limit`,
    { ...place, seconds: Math.ceil(waitMs / 1000) },
  ]),

  REST_REDIRECT_REFUSED: terminal((place: RequestPlace, problem: string) => [
    `API sends the request elsewhere [${at(place)}]: expected a page, got ${problem}; write the address that it ends at as the source's \`baseUrl\``,
    { ...place, problem },
  ]),

  REST_TLS_REFUSED: terminal((place: RequestPlace, reason: string) => [
    `no trusted connection to the API [${at(place)} reason=${reason}]: expected a certificate that this machine trusts for this name; name the company's certificate authority in the source's \`tls\`, or install it (NODE_EXTRA_CA_CERTS)`,
    { ...place, reason },
  ]),

  REST_BODY_TOO_LARGE: terminal((place: RequestPlace, limitBytes: number) => [
    `API's answer is too large [${at(place)}]: expected at most ${limitBytes} bytes, got more; ask for smaller pages, or raise CINELAKE_REST_MAX_BODY_MIB`,
    { ...place, limitBytes },
  ]),

  /** @param names fields that exist instead: names, not values */
  REST_RECORDS_MISSING: terminal((place: RequestPlace, path: string, got: string, names: readonly string[]) => {
    const there = names.length === 0 ? '' : `; the body has ${names.join(', ')}`
    return [
      `records are not where they were said to be [${at(place)} records=${path}]: expected an array, got ${got}${there}; correct the dataset's \`records\``,
      { ...place, records: path, got },
    ]
  }),

  /** @param position of the record in its page, from 1 */
  REST_RECORD_INVALID: terminal(
    (
      place: RequestPlace,
      position: number,
      problem: string,
      remedy = "correct the dataset's `records`, or ask the API's operator",
    ) => [
      `record cannot be a row [${at(place)} record=${position}]: ${problem}; ${remedy}`,
      {
        ...place,
        record: position,
        problem,
      },
    ],
  ),

  /** Pages that would never end. */
  REST_PAGE_LOOP: terminal((place: RequestPlace, problem: string) => [
    `API's pages go round in a circle [${at(place)}]: ${problem}; correct the dataset's \`pagination\`: its parameter may be called otherwise`,
    { ...place, problem },
  ]),

  REST_NEXT_PAGE_INVALID: terminal((place: RequestPlace, path: string, got: string) => [
    `next page cannot be found [${at(place)} path=${path}]: expected where it is, got ${got}; correct the dataset's \`pagination\``,
    { ...place, path, got },
  ]),
})

export class RestUnauthorizedError extends TerminalError {
  readonly code = 'REST_UNAUTHORIZED'

  constructor(place: RequestPlace) {
    super(
      `API refused the credentials [${at(place)} status=401]: expected them to be right, also after the secret was looked up again; put a valid one in the place of secrets`,
      { ...place, status: 401 },
    )
  }
}

/** The server refused the request. */
export class RestRefusedError extends TerminalError {
  readonly code = 'REST_REFUSED'

  constructor(place: RequestPlace, status: number) {
    const remedy =
      status === 403
        ? 'give the credentials the right to read it'
        : status === 404 || status === 410
          ? "correct the dataset's `path` or the source's `baseUrl`"
          : "correct the dataset's `path`, `query` and `pagination`"
    super(`API refused the request [${at(place)} status=${status}]: expected a page, got a refusal; ${remedy}`, {
      ...place,
      status,
    })
  }
}

/** A body that is invalid or incomplete. The body itself is not shown. */
export class RestBodyError extends TerminalError {
  readonly code = 'REST_BODY_INVALID'

  constructor(
    place: RequestPlace,
    got: string,
    { format = 'json', ...options }: ErrorOptions & { format?: string } = {},
  ) {
    super(
      `API's answer cannot be read [${at(place)}]: expected ${format.toUpperCase()}, got ${got}; open the address to see what it says: often it is a login or an error page`,
      { ...place, got },
      options,
    )
  }
}

export const answerErrors = defineErrors({
  /** A response with a good status whose body says that it failed, by the dataset's `failure`. */
  REST_ANSWER_FAILED: transient((place: RequestPlace, path: string) => [
    `API's answer says that it failed [${at(place)} path=${path}]: the body has an error where the dataset's \`failure\` looks for it; the next attempt asks again; open the address to see what it says`,
    { ...place, path },
  ]),

  /** The same, where the dataset's text says that asking again does not help. */
  REST_ANSWER_REFUSED: terminal((place: RequestPlace, path: string) => [
    `API's answer says that it failed [${at(place)} path=${path}]: the body has an error where the dataset's \`failure\` looks for it, and \`retry: false\` says that asking again does not help; open the address to see what it says`,
    { ...place, path },
  ]),
})

export const requestErrors = defineErrors({
  /**
   * A loopback or private address that the pipeline's text does not name.
   * @param how where the address came from, as text
   */
  REST_ADDRESS_PRIVATE: terminal((host: string, how: string) => [
    `address is not of the public internet [host=${host}]: expected one that is, got ${how}; where that is meant, name the host in the source's \`allowPrivate\``,
    { host, how },
  ]),

  /** The retry budget of a task is used up. */
  REST_RETRIES_SPENT: transient((place: RequestPlace, reason: string, budget: number) => [
    `API fails too often [${at(place)} retries=${budget}]: expected fewer failures in one task, got another (${reason}); the next attempt resumes after the answers that were kept; if it stays so, ask the API's operator, or raise \`retryBudget\``,
    { ...place, reason, retries: budget },
  ]),

  /** The company's proxy rejects a request. */
  REST_PROXY_REFUSED: terminal((place: RequestPlace, status: number) => {
    const remedy =
      status === 407
        ? 'write user and password into HTTPS_PROXY: http://USER:PASSWORD@HOST:PORT'
        : "ask the proxy's operator to let it through, or name the host in NO_PROXY where it can be reached without"
    return [
      `proxy refuses the way to the API [${at(place)} status=${status}]: expected a way, got ${status}; ${remedy}`,
      { ...place, status },
    ]
  }),
})

/** A kept cursor is not an address on the current server: the credentials must not be sent to another one. */
export class RestKeptElsewhereError extends TerminalError {
  readonly code = 'REST_KEPT_ELSEWHERE'

  constructor(source: string, dataset: string, host: string) {
    super(
      `kept address cannot be asked [source=${source} dataset=${dataset} host=${host}]: expected one on the server of \`baseUrl\`, got another one, or a text that is none; run the window again with \`--again\`, which reads all`,
      { source, dataset, host },
    )
  }
}

/** Certificates in the text that are invalid, or cannot be read. */
export class RestCertificateError extends TerminalError {
  readonly code = 'REST_CERTIFICATE_INVALID'

  constructor(source: string, problem: string, options?: ErrorOptions) {
    super(
      `certificates of the source cannot be used [source=${source}]: expected PEM (-----BEGIN CERTIFICATE-----), got ${problem}; correct the source's \`tls\``,
      { source, problem },
      options,
    )
  }
}

export const paginationErrors = defineErrors({
  /** More pages than the pipeline allows. */
  REST_TOO_MANY_PAGES: terminal((place: RequestPlace, maxPages: number) => [
    `API has more pages than were expected [${at(place)}]: expected at most ${maxPages}, got one more; raise the pagination's \`maxPages\`, ask for larger pages, or say \`atMaxPages: stop\` where the rest is not needed`,
    { ...place, maxPages },
  ]),

  /** The pages ended before the records or pages that the server counts were read. */
  REST_PAGES_INCOMPLETE: transient(
    (place: RequestPlace, expected: number, actual: number, unit: 'records' | 'pages') => [
      `API's pages end too early [${at(place)}]: expected the ${expected} ${unit} that it counts, got ${actual}; the next attempt reads them again; if it stays so, the API hides what is far behind: read it in parts, by \`query\``,
      { ...place, expected, actual, unit },
    ],
  ),

  /** The server counts less than before, where pages are requested by number: what moved forward was skipped. */
  REST_PAGES_MOVED: transient((place: RequestPlace, before: number, after: number, unit: 'records' | 'pages') => [
    `API's data changed while its pages were read [${at(place)}]: expected the ${before} ${unit} that it counted, got ${after} now, so that records have moved to pages that were read before; the next attempt reads all again; if it stays so, read a window or a part that does not change, by \`query\`, or use a pagination by cursor`,
    { ...place, before, after, unit },
  ]),

  /** Null where the records should be, after pages with records, and nothing else says that it is the end. */
  REST_RECORDS_NULL: transient((place: RequestPlace) => [
    `page has null in place of its records [${at(place)}]: expected a list after pages that had one; the next attempt reads all again; if that is how the API ends, say \`end: { emptyPage: true }\``,
    { ...place },
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

/** Records that differ from the contract, in a dataset with `drift: fail`. */
export class SchemaDriftError extends TerminalError {
  readonly code = 'REST_SCHEMA_DRIFT'
  readonly quality: readonly QualityResult[]

  constructor(source: string, dataset: string, quality: readonly QualityResult[]) {
    const problems = quality.map(({ rule, detail = '' }) => `${rule}: ${detail}`).join('; ')
    super(
      `records are not as they should be [source=${source} dataset=${dataset}]: expected the fields of the contract, got others (${problems}); bring the contract up to date, or say \`drift: evolve\`, \`rescue\` or \`ignore\``,
      { source, dataset },
    )
    this.quality = quality
  }
}

/** Another worker reads the same pages and is ahead. */
export class LandingTakenError extends TransientError {
  readonly code = 'REST_LANDING_TAKEN'

  constructor(path: string) {
    super(
      `another worker lands the same pages [path=${path}]: expected to be the only one, got its pages; the next attempt continues after them`,
      { path },
    )
  }
}

/** The answers that were kept are too old to be continued. */
export class StaleAnswersError extends TransientError {
  readonly code = 'REST_ANSWERS_STALE'

  constructor(folder: string) {
    super(
      `answers that were kept are too old to be continued [folder=${folder}]: expected all of them to be of the last 24 hours, got an older one; they are removed, and all pages are requested again`,
      { folder },
    )
  }
}

export const restLandingErrors = defineErrors({
  /** The parent of a dataset has not landed. */
  REST_PARENT_MISSING: terminal((dataset: string, parent: string, problem: string) => [
    `rows to start from are missing [dataset=${dataset} parent=${parent}]: expected them in its landed file, got ${problem}; run \`ingest\` of \`${parent}\` first, or correct the name`,
    { dataset, parent, problem },
  ]),

  /** Items of a list that would overwrite the key columns of their parent. */
  REST_EXPLODE_CLASH: terminal((dataset: string, parent: string, column: string) => [
    `items of a list cannot be rows [dataset=${dataset} parent=${parent}]: expected ${column} to be the column that tells whose they are and where they were, got a field of that name in an item; take the list out of \`explode\`, or call the parent otherwise`,
    { dataset, parent, column },
  ]),
})
