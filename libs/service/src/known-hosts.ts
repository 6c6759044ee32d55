import { defineErrors, terminal } from '@cinelake/core'
import type { FastifyInstance } from 'fastify'
import { isIP } from 'node:net'
import { z } from 'zod'

/** The setting of the host names of a server, for the schema of a service's environment. */
export const knownHostsEnv = {
  /** Comma-separated names: `scheduler,cinelake.example.com`. */
  CINELAKE_HTTP_HOSTS: z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(',')
        .map((name) => name.trim().toLowerCase())
        .filter(Boolean),
    ),
}

export const hostErrors = defineErrors({
  /** A request used a host name that is not this server's, or came from a page of another site. */
  HOST_UNKNOWN: terminal((host: string) => [
    `the server is not known by this name [host=${host}]: expected localhost, an IP address or a name that CINELAKE_HTTP_HOSTS has; call it by one of them, or add the name there`,
    { host },
  ]),
})

export type KnownHosts = {
  /** The address that the server listens on. */
  readonly host: string
  /** Its other names, in lower case. */
  readonly names?: readonly string[]
}

/**
 * Rejects requests that a web page sends under a host name of its own (DNS rebinding), which would otherwise count as
 * local requests. An IP address cannot be rebound.
 *
 * A server that is open to other machines and has no `names` cannot know all of its names; it then rejects only
 * requests that browsers mark as sent by a page.
 */
export function refuseUnknownHosts(server: FastifyInstance, { host, names = [] }: KnownHosts): void {
  const known = new Set([...names, host.toLowerCase(), 'localhost'])
  const isKnown = (name: string) => known.has(name) || isIP(name) !== 0 || name.endsWith('.localhost')
  const isStrict = names.length > 0 || isLoopback(host)
  server.addHook('onRequest', async (request) => {
    const { host: called, origin } = request.headers
    // Programs send no Origin; browsers send it with every request that changes state.
    if (origin !== undefined && !isKnown(hostOf(origin.replace(/^[a-z][a-z0-9+.-]*:\/\//i, ''))))
      throw hostErrors.HOST_UNKNOWN(shown(origin))
    if (isStrict && !isKnown(hostOf(called ?? ''))) throw hostErrors.HOST_UNKNOWN(shown(called ?? ''))
  })
}

/** The name without its port; of `[::1]:80` what is within the brackets. */
function hostOf(text: string): string {
  const bare = /^\[([^\]]*)\](?::\d*)?$/.exec(text)?.[1] ?? /^([^:]*)(?::\d*)?$/.exec(text)?.[1] ?? ''
  return bare.toLowerCase().replace(/\.$/, '')
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}

/** Maximum characters of a header that an error repeats. */
const SHOWN = 100

const shown = (text: string) => (text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text)
