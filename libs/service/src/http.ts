import { ConfigError, defineErrors, reasonOf, terminal } from '@cinelake/core'
import { context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Span } from '@opentelemetry/api'
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifyServerOptions,
  RawServerDefault,
} from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import { z } from 'zod'
import { docsPage, DOCS_POLICY, type OpenApiDocument } from './docs-page.ts'

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

const httpErrors = defineErrors({
  /** A request that does not match the schemas of its route. */
  REQUEST_INVALID: terminal((error: z.ZodError) => {
    const problems = error.issues.map(({ path, message }) => [...path.map(String), message].join(': ')).join('; ')
    return [`the request cannot be used: ${problems}; correct it and send it again`, {}]
  }),

  /** A request used a host name that is not this server's, or came from a page of another site. */
  HOST_UNKNOWN: terminal((host: string) => [
    `the server is not known by this name [host=${host}]: expected localhost, an IP address or a name that CINELAKE_HTTP_HOSTS has; call it by one of them, or add the name there`,
    { host },
  ]),
})

/** The answer to every request that fails. */
export const ErrorAnswer = z.object({
  code: z.string().describe('Never reworded.'),
  message: z.string().describe('For people. Never says what was in the body.'),
})

/** A server whose routes have zod schemas of what they take and answer. */
export type HttpServer = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>

export type HttpServerOptions = FastifyServerOptions & {
  /** The names that clients may call it by. */
  readonly known: KnownHosts
  /** What the OpenAPI document says in addition to the routes. */
  readonly document: NonNullable<FastifyDynamicSwaggerOptions['openapi']>
  /** Answers a request that failed. */
  readonly onError: (
    error: unknown,
    request: FastifyRequest,
    reply: FastifyReply,
  ) => FastifyReply | Promise<FastifyReply>
}

/**
 * An HTTP API whose requests are spans and whose routes are described by zod schemas: these validate path, query and
 * body, type the answers, and make the OpenAPI document at `/docs/openapi.json` (`/docs` for people).
 *
 * Headers, and bodies that are described by content type, are for the route: it streams such a body, and has its own
 * errors. Answers are sent as they are: one that is not as described reaches its client all the same.
 * @throws {REQUEST_INVALID} terminal: to the error handler of the server
 */
export async function createHttpServer({
  known,
  document,
  onError,
  ...options
}: HttpServerOptions): Promise<HttpServer> {
  // Loaded when a service starts: the command line, which also uses this package, serves nothing.
  const [{ fastify }, { default: swagger }, { jsonSchemaTransform }] = await Promise.all([
    import('fastify'),
    import('@fastify/swagger'),
    import('fastify-type-provider-zod'),
  ])
  const server = fastify(options).withTypeProvider<ZodTypeProvider>()
  server.setErrorHandler(onError)
  traceRequests(server)
  refuseUnknownHosts(server, known)
  server.setValidatorCompiler<z.ZodType>(({ schema, httpPart, contentType }) => {
    if (httpPart === 'headers' || contentType !== undefined) return (value: unknown) => ({ value })
    return (value: unknown) => {
      const parsed = schema.safeParse(value ?? undefined)
      return parsed.success ? { value: parsed.data } : { error: httpErrors.REQUEST_INVALID(parsed.error) }
    }
  })
  server.setSerializerCompiler(() => (answer) => JSON.stringify(answer))
  await server.register(swagger, {
    openapi: { ...document, openapi: '3.1.0' },
    transform: (route) => {
      const { body, ...schema } = route.schema
      if (!isByType(body)) return jsonSchemaTransform(route)
      const { schema: described, url } = jsonSchemaTransform({ ...route, schema })
      const content = Object.entries(body.content).map(([type, each]) => [
        type,
        { schema: z.toJSONSchema(each.schema) },
      ])
      return { schema: { ...described, body: { content: Object.fromEntries(content) as unknown } }, url }
    },
  })
  const described = () => server.swagger() as unknown as OpenApiDocument
  const hide = { schema: { hide: true } }
  server.get('/docs', hide, async (_request, reply) =>
    reply.type('text/html; charset=utf-8').header('content-security-policy', DOCS_POLICY).send(docsPage(described())),
  )
  server.get('/docs/openapi.json', hide, async () => described())
  return server
}

type ByType = { readonly content: Readonly<Record<string, { readonly schema: z.ZodType }>> }

function isByType(body: unknown): body is ByType {
  return typeof body === 'object' && body !== null && 'content' in body
}

/**
 * Listens until the server is closed.
 * @param service for the error: what it is and which settings name its address
 * @returns the URL
 * @throws {ConfigError} the address cannot be used
 */
export async function listen(
  server: HttpServer,
  { host, port }: Pick<KnownHosts, 'host'> & { readonly port: number },
  { what, settings }: { readonly what: string; readonly settings: string },
): Promise<string> {
  try {
    return await server.listen({ host, port })
  } catch (error) {
    const problem = `expected a free port, got ${reasonOf(error)}; set ${settings}`
    throw new ConfigError(`${what} cannot be served on ${host}:${port}`, [problem], { cause: error })
  }
}

/**
 * A span for each request, named by its route: an address may have names in it. It begins a trace, linked to the client's: a client
 * decides neither on the ids of traces here nor whether they are recorded.
 */
function traceRequests(server: HttpServer): void {
  const tracer = trace.getTracer('cinelake')
  const spans = new WeakMap<FastifyRequest, Span>()
  server.addHook('onRequest', (request, reply, done) => {
    // Also where the client leaves after its request was read, which fastify's hooks do not hear of.
    reply.raw.once('close', () => end(request, reply.raw.writableFinished ? reply.statusCode : undefined))
    const route = request.routeOptions.url
    const attributes = { 'http.request.method': request.method, 'http.route': route }
    const name = route === undefined ? request.method : `${request.method} ${route}`
    const client = trace.getSpanContext(propagation.extract(ROOT_CONTEXT, request.headers))
    const links = client === undefined ? [] : [{ context: client }]
    spans.set(request, tracer.startSpan(name, { kind: SpanKind.SERVER, attributes, links }, ROOT_CONTEXT))
    done()
  })
  // Not earlier: reading a body continues in the context of its connection.
  server.addHook('preHandler', (request, _reply, done) => {
    const span = spans.get(request)
    if (span === undefined) done()
    else context.with(trace.setSpan(ROOT_CONTEXT, span), done)
  })
  const end = (request: FastifyRequest, status?: number) => {
    const span = spans.get(request)
    spans.delete(request)
    if (status === undefined || status >= 500) span?.setStatus({ code: SpanStatusCode.ERROR })
    if (status !== undefined) span?.setAttribute('http.response.status_code', status)
    span?.end()
  }
}

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
function refuseUnknownHosts(server: HttpServer, { host, names = [] }: KnownHosts): void {
  const known = new Set([...names, host.toLowerCase(), 'localhost'])
  const isKnown = (name: string) => known.has(name) || isIP(name) !== 0 || name.endsWith('.localhost')
  const isStrict = names.length > 0 || isLoopback(host)
  server.addHook('onRequest', async (request) => {
    const { host: called, origin } = request.headers
    // Programs send no Origin; browsers send it with every request that changes state.
    if (origin !== undefined && !isKnown(hostOf(origin.replace(/^[a-z][a-z0-9+.-]*:\/\//i, ''))))
      throw httpErrors.HOST_UNKNOWN(shown(origin))
    if (isStrict && !isKnown(hostOf(called ?? ''))) throw httpErrors.HOST_UNKNOWN(shown(called ?? ''))
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
