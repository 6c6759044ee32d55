import { defineErrors, terminal, TerminalError, transient } from '@cinelake/core'
import type { RequestPlace } from '../errors.ts'

const at = ({ source, dataset, address, page }: RequestPlace) =>
  `source=${source} dataset=${dataset} page=${page} address=${address}`

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
    `API fails too often [${at(place)} retries=${budget}]: expected fewer failures in one task, got another (${reason}); the next attempt resumes from here; if it stays so, ask the API's operator, or raise \`retryBudget\``,
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
