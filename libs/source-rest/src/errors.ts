import { TerminalError, TransientError } from '@cinelake/core'

/** Which request an error is about. `address` is for people: no secrets, no user, and only values that are known to be harmless. */
export type RequestPlace = {
  readonly source: string
  readonly dataset: string
  readonly address: string
  readonly page: number
}

const at = ({ source, dataset, address, page }: RequestPlace) =>
  `source=${source} dataset=${dataset} page=${page} address=${address}`

/** A base URL that is no address of a web server. Never shows it: it may hold a secret. */
export class RestAddressError extends TerminalError {
  readonly code = 'REST_ADDRESS_INVALID'

  constructor(source: string, problem: string) {
    super(
      `address of the API is not usable [source=${source}]: expected \`baseUrl\` to be https://HOST/PATH, got ${problem}; correct it or the settings that it names`,
      { source, problem },
    )
  }
}

/** A header whose value cannot be sent. Never shows the value. */
export class RestHeaderError extends TerminalError {
  readonly code = 'REST_HEADER_INVALID'

  constructor(source: string, header: string) {
    super(
      `header cannot be sent [source=${source} header=${header}]: expected one line of ASCII, got other characters; correct the pipeline's text or the secret that it names (a line break at its end does no harm)`,
      { source, header },
    )
  }
}

/** A path of a body that is written in no way that is understood. */
export class JsonPathError extends TerminalError {
  readonly code = 'REST_PATH_INVALID'

  constructor(path: string) {
    super(
      `path into the body is not usable [path=${path}]: expected $, $.name.name, $['name'] or $.name[0], got something else; correct the dataset's \`records\` or \`pagination\``,
      { path },
    )
  }
}

/** A path that would be looked for without end in a body of this size. */
export class JsonPathCostError extends TerminalError {
  readonly code = 'REST_PATH_TOO_COSTLY'

  constructor(path: string, got: string) {
    super(
      `path into the body takes too much work [path=${path}]: expected work in proportion to the body, got ${got}; name the steps of the path instead of \`..\`, and let filters look at their own item (\`@\`) alone`,
      { path },
    )
  }
}

/** The server did not give the page within all tries of this attempt. */
export class RestUnavailableError extends TransientError {
  readonly code = 'REST_UNAVAILABLE'

  constructor(place: RequestPlace, reason: string, tryCount: number, options?: ErrorOptions) {
    super(
      `API does not give the page [${at(place)} tries=${tryCount}]: expected a page, got ${reason} each time; the next attempt asks again; if it stays so, ask the API's operator`,
      { ...place, reason, tries: tryCount },
      options,
    )
  }
}

/** The server asks for a longer pause than a worker waits for. */
export class RestRateLimitedError extends TransientError {
  readonly code = 'REST_RATE_LIMITED'

  constructor(place: RequestPlace, waitMs: number) {
    super(
      `API asks for a long pause [${at(place)} seconds=${Math.ceil(waitMs / 1000)}]: expected less; a later attempt asks again; ask for fewer or larger pages, or for a higher limit`,
      { ...place, seconds: Math.ceil(waitMs / 1000) },
    )
  }
}

export class RestUnauthorizedError extends TerminalError {
  readonly code = 'REST_UNAUTHORIZED'

  constructor(place: RequestPlace) {
    super(
      `API refused the credentials [${at(place)} status=401]: expected them to be right, also after the secret was looked up again; put a valid one in the place of secrets`,
      { ...place, status: 401 },
    )
  }
}

/** The server understood and said no. */
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

export class RestRedirectError extends TerminalError {
  readonly code = 'REST_REDIRECT_REFUSED'

  constructor(place: RequestPlace, problem: string) {
    super(
      `API sends the request elsewhere [${at(place)}]: expected a page, got ${problem}; write the address that it ends at as the source's \`baseUrl\``,
      { ...place, problem },
    )
  }
}

export class RestTlsError extends TerminalError {
  readonly code = 'REST_TLS_REFUSED'

  constructor(place: RequestPlace, reason: string, options?: ErrorOptions) {
    super(
      `no trusted connection to the API [${at(place)} reason=${reason}]: expected a certificate that this machine trusts for this name; name the company's certificate authority in the source's \`tls\`, or install it (NODE_EXTRA_CA_CERTS)`,
      { ...place, reason },
      options,
    )
  }
}

/** A body that is not what it should be, or not all of it. The body itself is not shown. */
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

export class RestBodyTooLargeError extends TerminalError {
  readonly code = 'REST_BODY_TOO_LARGE'

  constructor(place: RequestPlace, limitBytes: number) {
    super(
      `API's answer is too large [${at(place)}]: expected at most ${limitBytes} bytes, got more; ask for smaller pages, or raise CINELAKE_REST_MAX_BODY_MIB`,
      { ...place, limitBytes },
    )
  }
}

export class RestRecordsMissingError extends TerminalError {
  readonly code = 'REST_RECORDS_MISSING'

  /** @param names fields that are there instead: names, not values */
  constructor(place: RequestPlace, path: string, got: string, names: readonly string[]) {
    const there = names.length === 0 ? '' : `; the body has ${names.join(', ')}`
    super(
      `records are not where they were said to be [${at(place)} records=${path}]: expected an array, got ${got}${there}; correct the dataset's \`records\``,
      { ...place, records: path, got },
    )
  }
}

export class RestRecordError extends TerminalError {
  readonly code = 'REST_RECORD_INVALID'

  /** @param position of the record in its page, from 1 */
  constructor(
    place: RequestPlace,
    position: number,
    problem: string,
    remedy = "correct the dataset's `records`, or ask the API's operator",
  ) {
    super(`record cannot be a row [${at(place)} record=${position}]: ${problem}; ${remedy}`, {
      ...place,
      record: position,
      problem,
    })
  }
}

/** Pages that would never end. */
export class RestPageLoopError extends TerminalError {
  readonly code = 'REST_PAGE_LOOP'

  constructor(place: RequestPlace, problem: string) {
    super(
      `API's pages go round in a circle [${at(place)}]: ${problem}; correct the dataset's \`pagination\`: its parameter may be called otherwise`,
      { ...place, problem },
    )
  }
}

export class RestNextPageError extends TerminalError {
  readonly code = 'REST_NEXT_PAGE_INVALID'

  constructor(place: RequestPlace, path: string, got: string) {
    super(
      `next page cannot be found [${at(place)} path=${path}]: expected where it is, got ${got}; correct the dataset's \`pagination\``,
      { ...place, path, got },
    )
  }
}
