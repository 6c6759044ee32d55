import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import type { RequestListener } from 'node:http'
import { getMswHandler } from 'fakerest'
import { checkShape, formatProblem, Problems, readYaml } from '@cinelake/config-text'
import { restConfig, type RestSource } from './config/index.ts'

const require = createRequire(import.meta.url)

/** What these tests need of json-server 0.17, which has no types. */
type JsonServer = {
  create(): RequestListener & { use(...handlers: unknown[]): void }
  defaults(options: { logger: boolean }): unknown
  router(data: object): unknown
}

/** json-server 0.17: pages by `_page`, a Link header and X-Total-Count; arrays at the root. */
export function jsonServer(data: object): RequestListener {
  const library = require('json-server') as JsonServer
  const app = library.create()
  app.use(library.defaults({ logger: false }), library.router(data))
  return app
}

/** json-server 1: pages as `{ next: 2, pages: 9, items: 208, data: […] }`; beyond the last page, the last page again. */
export async function jsonServerOne(data: object): Promise<RequestListener> {
  // Its package has no types, and names no module for others.
  const module = pathToFileURL(require.resolve('json-server-next/lib/app.js')).href
  const { createApp } = (await import(module)) as {
    readonly createApp: (db: object, options: object) => { readonly handler: RequestListener }
  }
  const app = createApp({ data, write: async () => {} }, { logger: false })
  return (request, response) => app.handler(request, response)
}

/** FakeRest: ranges of records as `range=[0,9]`, with status 206 and a Content-Range header that counts all. */
export function fakeRest(data: Record<string, { id: number }[]>): RequestListener {
  const baseUrl = 'http://fakerest.example'
  const handle = getMswHandler({ baseUrl, data, loggingEnabled: false })
  return (request, response) => {
    void (async () => {
      const answer = await handle({ request: new Request(`${baseUrl}${request.url ?? ''}`) })
      response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text())
    })()
  }
}

/** A source as it is written: the text of `sources.crm`, with a dataset `users`. */
export function sourceFromText(text: string): RestSource {
  const problems = new Problems()
  const yaml = readYaml('pipeline.yaml', text, problems)
  const source = checkShape(restConfig.text, yaml, problems)
  const read = source && restConfig.read('crm', source, { text: yaml, path: [], problems })
  if (read === undefined || problems.hasErrors) throw new Error(problems.sorted().map(formatProblem).join('\n'))
  return read
}
