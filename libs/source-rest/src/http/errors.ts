import { defineErrors, terminal, TerminalError, transient } from '@cinelake/core'
import type { RequestPlace } from '../errors.ts'

const at = ({ source, dataset, address, page }: RequestPlace) =>
  `source=${source} dataset=${dataset} page=${page} address=${address}`

export const requestErrors = defineErrors({
  /**
   * An address on this machine or on the company's own network that the pipeline's text does not name.
   * @param how it came to be asked for: in words
   */
  REST_ADDRESS_PRIVATE: terminal((host: string, how: string) => [
    `address is not of the public internet [host=${host}]: expected one that is, got ${how}; where that is meant, name the host in the source's \`allowPrivate\``,
    { host, how },
  ]),

  /** All the repetitions that a task has were needed. */
  REST_RETRIES_SPENT: transient((place: RequestPlace, reason: string, budget: number) => [
    `API fails too often [${at(place)} retries=${budget}]: expected fewer failures in one task, got another (${reason}); the next attempt goes on from here; if it stays so, ask the API's operator, or raise \`retryBudget\``,
    { ...place, reason, retries: budget },
  ]),

  /** The company's proxy does not let a request through. */
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

/** What was kept is no address on the server that is asked now: the credentials are not for another one. */
export class RestKeptElsewhereError extends TerminalError {
  readonly code = 'REST_KEPT_ELSEWHERE'

  constructor(source: string, dataset: string, host: string) {
    super(
      `kept address cannot be asked [source=${source} dataset=${dataset} host=${host}]: expected one on the server of \`baseUrl\`, got another one, or a text that is none; run the window again with \`--again\`, which reads all`,
      { source, dataset, host },
    )
  }
}

/** Certificates of the text that are none, or not to be had. */
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
