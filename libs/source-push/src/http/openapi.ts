import { z } from 'zod'
import { CONTENT_TYPES } from '../body/body-form.ts'
import { ErrorAnswer, IdempotencyKey, PushAnswer, PushParams, PushStatus, StatusParams } from './push-schemas.ts'

const schemaOf = (schema: z.ZodType) => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'output' })
  return rest
}

const parametersOf = (params: z.ZodObject) =>
  Object.entries(params.shape).map(([name, schema]) => {
    const { description, ...type } = schemaOf(schema as z.ZodType)
    return { name, in: 'path', required: true, description, schema: type }
  })

const json = (schema: z.ZodType) => ({ 'application/json': { schema: schemaOf(schema) } })
const error = (description: string) => ({ description, content: json(ErrorAnswer) })
const retryAfter = { 'Retry-After': { description: 'Seconds.', schema: { type: 'integer' } } }

const REFUSALS = {
  401: error('Neither key nor token opens the source, or there is no such source.'),
  403: error('A valid token of a client that may not push.'),
  404: error('The source has no such dataset, or the dataset no such push.'),
}

/** The service's API as an OpenAPI 3.1 document, generated from the schemas of its responses. */
export function openApi(): object {
  const { description, ...keySchema } = schemaOf(IdempotencyKey)
  const bodies = Object.fromEntries(
    Object.entries(CONTENT_TYPES).map(([type, format]) => [
      type,
      { schema: format === 'json' ? { type: 'array', items: { type: 'object' } } : { type: 'string' } },
    ]),
  )
  return {
    openapi: '3.1.0',
    info: {
      title: 'Cinelake push API',
      version: '1',
      description: 'Sends records to a dataset. They land with the window in which they come.',
    },
    security: [{ apiKey: [] }, { token: [] }],
    paths: {
      '/v1/datasets/{source}/{dataset}': {
        post: {
          summary: 'Push records',
          description:
            'An array of objects in JSON, an object per line (NDJSON), or CSV with a first row of names; UTF-8. All of it lands, or nothing.',
          parameters: [
            ...parametersOf(PushParams),
            { name: 'Idempotency-Key', in: 'header', required: false, description, schema: keySchema },
            { name: 'Content-Encoding', in: 'header', required: false, schema: { type: 'string', enum: ['gzip'] } },
          ],
          requestBody: { required: true, content: bodies },
          responses: {
            202: {
              description: 'It is in the lake, and lands with the window.',
              headers: { Location: { description: 'The status of the push.', schema: { type: 'string' } } },
              content: json(PushAnswer),
            },
            400: error('The body is not what it is said to be; the message names the record or the line.'),
            ...REFUSALS,
            409: error('The key was used for another body.'),
            413: error('The body, or a record of it, is too large.'),
            415: error('A content type, character set or encoding that is not taken.'),
            429: { ...error('Too many pushes at once, or in a time.'), headers: retryAfter },
            503: { ...error('Not possible now. Send it again, with the same key.'), headers: retryAfter },
          },
        },
      },
      '/v1/datasets/{source}/{dataset}/pushes/{id}': {
        get: {
          summary: 'The status of a push',
          parameters: parametersOf(StatusParams),
          responses: { 200: { description: 'How far it is.', content: json(PushStatus) }, ...REFUSALS },
        },
      },
    },
    components: {
      securitySchemes: {
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
        token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
      },
    },
  }
}
