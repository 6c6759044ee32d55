import { z } from 'zod'
import { FORMATS } from '../body/body-form.ts'

/** The path parameters of a push. */
export const PushParams = z.object({
  source: z.string().describe('A source of type `push`.'),
  dataset: z.string().describe('A dataset of the source.'),
})

export const StatusParams = PushParams.extend({ id: z.string().describe('What the push was answered with.') })

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

/** The response to a push. */
export const PushAnswer = z.object({ ...answer, statusUrl: z.string().describe('Says how far it is.') })
export type PushAnswer = z.infer<typeof PushAnswer>

export const PushStatus = z.object({
  ...answer,
  state: z
    .enum(['received', 'closed', 'landed'])
    .describe(
      '`received`: it is in the lake. `closed`: its window takes no more pushes. `landed`: it is among what the window landed.',
    ),
})
export type PushStatus = z.infer<typeof PushStatus>

export const ErrorAnswer = z.object({
  code: z.string().describe('Never reworded.'),
  message: z.string().describe('For people. Never says what was in the body.'),
})
