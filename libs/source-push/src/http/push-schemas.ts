import { z } from 'zod'
import { ErrorAnswer, type HttpServerOptions } from '@cinelake/service'
import { CONTENT_TYPES, FORMATS } from '../body/body-form.ts'

/** The path parameters of a push. */
const PushParams = z.object({
  source: z.string().describe('A source of type `push`.'),
  dataset: z.string().describe('A dataset of the source.'),
})

/** Characters. Longer than any generated key. */
const MAX_KEY_LENGTH = 255

export const IdempotencyKey = z
  .string()
  .regex(/^[\x20-\x7e]+$/)
  .max(MAX_KEY_LENGTH)
  .describe(
    `Any text of at most ${MAX_KEY_LENGTH} printable characters that is new for each push. The same key with the same body again gets the same answer, and nothing lands twice.`,
  )

const WindowAnswer = z.object({ label: z.string(), start: z.iso.datetime(), end: z.iso.datetime() })

const answer = {
  id: z.string(),
  source: z.string(),
  dataset: z.string(),
  receivedAt: z.iso.datetime().describe('When the last byte had come.'),
  format: z.enum(FORMATS),
  rowCount: z.int().min(0),
  sizeBytes: z.int().min(0).describe('Unpacked.'),
  path: z.string().describe('Where the body is in the lake.'),
  window: WindowAnswer.describe('The window with which it lands.'),
}

const PushAnswer = z.object({ ...answer, statusUrl: z.string().describe('Says how far it is.') }).meta({
  description: 'It is in the lake, and lands with the window.',
  headers: { Location: { description: 'The status of the push.', type: 'string' } },
})

const PushStatus = z.object({
  ...answer,
  state: z
    .enum(['received', 'closed', 'landed'])
    .describe(
      '`received`: it is in the lake. `closed`: its window takes no more pushes. `landed`: it is among what the window landed.',
    ),
})

const failed = (description: string, more = {}) => ErrorAnswer.meta({ description, ...more })
const later = { headers: { 'Retry-After': { description: 'Seconds.', type: 'integer' } } }
const rejections = {
  401: failed('Neither key nor token opens the source, or there is no such source.'),
  403: failed('A valid token of a client that may not push.'),
  404: failed('The source has no such dataset, or the dataset no such push.'),
}

/** A body is a stream: these describe it, and `body/` checks it while it comes. */
const bodies = Object.entries(CONTENT_TYPES).map(([type, format]) => [
  type,
  { schema: format === 'json' ? z.array(z.looseObject({})) : z.string() },
])

export const pushRoute = {
  summary: 'Push records',
  description:
    'An array of objects in JSON, an object per line (NDJSON), or CSV with a first row of names; UTF-8. All of it lands, or nothing.',
  params: PushParams,
  headers: z.object({
    'Idempotency-Key': IdempotencyKey.optional(),
    'Content-Encoding': z.enum(['gzip']).optional(),
  }),
  body: { content: Object.fromEntries(bodies) as unknown },
  response: {
    202: PushAnswer,
    400: failed('The body is not what it is said to be; the message names the record or the line.'),
    ...rejections,
    409: failed('The key was used for another body.'),
    413: failed('The body, or a record of it, is too large.'),
    415: failed('A content type, character set or encoding that is not taken.'),
    429: failed('Too many pushes at once, or in a time.', later),
    503: failed('Not possible now. Send it again, with the same key.', later),
  },
}

export const statusRoute = {
  summary: 'The status of a push',
  params: PushParams.extend({ id: z.string().describe('What the push was answered with.') }),
  response: { 200: PushStatus.describe('How far it is.'), ...rejections },
}

export const pushDocument: HttpServerOptions['document'] = {
  info: {
    title: 'Cinelake push API',
    version: '1',
    description: 'Sends records to a dataset. They land with the window in which they come.',
  },
  security: [{ apiKey: [] }, { token: [] }],
  components: {
    securitySchemes: {
      apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
    },
  },
}
