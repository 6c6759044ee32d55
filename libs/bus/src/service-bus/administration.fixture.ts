import type { ServiceBusAdministrationClientOptions } from '@azure/service-bus'
import { selfSignedCertificate } from '@cinelake/testkit'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export type GivenAdministration = AsyncDisposable & {
  readonly connectionString: string
  /** The options by which the administration client trusts it. */
  readonly options: ServiceBusAdministrationClientOptions
  /** Requests so far that changed something, as `PUT /loader`. */
  readonly changes: string[]
  /** Denies every request from now on. */
  refuse(): void
}

/** The service's defaults. Source: learn.microsoft.com/rest/api/servicebus/queues */
const DEFAULTS = {
  LockDuration: 'PT1M',
  MaxSizeInMegabytes: '1024',
  RequiresDuplicateDetection: 'false',
  RequiresSession: 'false',
  DefaultMessageTimeToLive: 'P10675199DT2H48M5.4775807S',
  DeadLetteringOnMessageExpiration: 'false',
  DeadLetteringOnFilterEvaluationExceptions: 'true',
  DuplicateDetectionHistoryTimeWindow: 'PT10M',
  MaxDeliveryCount: '10',
  EnableBatchedOperations: 'true',
  Status: 'Active',
  SupportOrdering: 'true',
  AutoDeleteOnIdle: 'P10675199DT2H48M5.4775807S',
  EnablePartitioning: 'false',
  EnableExpress: 'false',
  EntityAvailabilityStatus: 'Available',
}

/** The content of an entry as the service stores it: the given values, and defaults for the rest. */
function describe(entry: string): string {
  const [, kind = ''] = /<(\w+Description) /.exec(entry) ?? []
  const put = [...entry.matchAll(/<(\w+)>([^<]*)<\/\1>/g)].map(([, name = '', value = '']) => [name, value] as const)
  const fields = Object.entries({ ...DEFAULTS, ...Object.fromEntries(put) })
  const content = fields.map(([name, value]) => `<${name}>${value}</${name}>`).join('')
  return `<content type="application/xml"><${kind} xmlns="http://schemas.microsoft.com/netservices/2010/10/servicebus/connect">${content}</${kind}></content>`
}

/**
 * The HTTPS side of a namespace, reduced to creating entities: it stores the content of the ATOM entry that is put at a
 * path, and returns it. Source of the protocol: learn.microsoft.com/rest/api/servicebus/queues
 */
export async function givenAdministration(): Promise<GivenAdministration> {
  const { key, certificate } = selfSignedCertificate()
  const contents = new Map<string, string>()
  const changes: string[] = []
  let isRefusing = false
  const answer = async (request: IncomingMessage): Promise<readonly [number, string]> => {
    const { pathname } = new URL(request.url ?? '', 'https://localhost')
    if (isRefusing) return [401, '<Error><Code>401</Code><Detail>Manage claim is required.</Detail></Error>']
    if (request.method === 'PUT') {
      contents.set(pathname, describe(await text(request)))
      changes.push(`${request.headers['if-match'] === undefined ? 'create' : 'update'} ${pathname}`)
    }
    const content = contents.get(pathname)
    if (content === undefined) return [404, '<Error><Code>404</Code><Detail>No such entity.</Detail></Error>']
    const entry = `<id>https://localhost${pathname}</id><title type="text">${pathname.slice(1)}</title>${content}`
    return [200, `<entry xmlns="http://www.w3.org/2005/Atom">${entry}</entry>`]
  }
  const server = createServer({ key, cert: certificate }, (request, response) => {
    void answer(request).then(([status, body]) =>
      response.writeHead(status, { 'content-type': 'application/atom+xml' }).end(body),
    )
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  // A variable: the client's typings omit an option that its pipeline accepts.
  const options = { retryOptions: { maxRetries: 0 }, tlsOptions: { ca: certificate } }
  return {
    connectionString: `Endpoint=sb://localhost:${port}/;SharedAccessKeyName=manager;SharedAccessKey=c2VjcmV0`,
    options,
    changes,
    refuse: () => void (isRefusing = true),
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
