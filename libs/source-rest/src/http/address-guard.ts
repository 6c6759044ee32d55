import { isPrivateAddress } from '@cinelake/core'
import { isIP, type LookupFunction } from 'node:net'
import { lookup as systemLookup, type LookupAddress } from 'node:dns'
import { requestErrors } from '../errors.ts'

/** Prevents requests to private addresses that a server's response or a DNS record points to (SSRF). */
export type AddressGuard = {
  /**
   * Checks an address before it is requested. A literal loopback or private address is allowed only
   * at an origin that the pipeline's text names itself.
   * @throws {REST_ADDRESS_PRIVATE} terminal
   */
  check(url: URL, trustedOrigin: string | undefined): void
  /** Resolves a name for the one connection that is then made to the result: there is no second look-up that could differ. */
  readonly lookup: LookupFunction
}

export type Lookup = (
  hostname: string,
  options: { readonly all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/** @param allowed hosts whose addresses may be private */
export function createAddressGuard(allowed: readonly string[], lookup: Lookup = systemLookup): AddressGuard {
  const names = new Set(allowed.map((host) => plainHost(host)))
  return {
    check(url, trustedOrigin) {
      const host = plainHost(url.hostname)
      if (names.has(host) || url.origin === trustedOrigin) return
      if (isThisMachine(host)) throw requestErrors.REST_ADDRESS_PRIVATE(host, 'a name of this machine')
      if (isIP(host) !== 0 && isPrivateAddress(host))
        throw requestErrors.REST_ADDRESS_PRIVATE(host, 'a private address')
    },
    lookup(hostname, options, callback) {
      lookup(hostname, { ...options, all: true }, (error, found) => {
        const [first] = found ?? []
        if (error !== null || first === undefined) return callback(error ?? notFound(hostname), '', 0)
        const host = plainHost(hostname)
        // Whether this machine's own name is in the text was checked earlier.
        const isExpected = names.has(host) || (isThisMachine(host) && found.every(({ address }) => isLoopback(address)))
        if (!isExpected && found.some(({ address }) => isPrivateAddress(address))) {
          return callback(requestErrors.REST_ADDRESS_PRIVATE(host, 'a name that leads to a private address'), '', 0)
        }
        return options.all === true ? callback(null, found) : callback(null, first.address, first.family)
      })
    },
  }
}

function plainHost(host: string): string {
  return host
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase()
}

const isThisMachine = (host: string) => host === 'localhost' || host.endsWith('.localhost')
const isLoopback = (address: string) => address === '::1' || address.startsWith('127.')

function notFound(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`no address for ${hostname}`), { code: 'ENOTFOUND' })
}
