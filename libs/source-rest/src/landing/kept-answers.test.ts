import { fixedClock, recordingLog, temporaryDirectory, until } from '@cinelake/testkit'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { createFill } from '@cinelake/secrets'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Answer } from '../http/send-request.ts'
import { openKeptAnswers, type KeptAnswersTask } from './kept-answers.ts'
import { createSecretMask } from './secret-mask.ts'

let stack: AsyncDisposableStack
beforeEach(() => void (stack = new AsyncDisposableStack()))
afterEach(() => stack.disposeAsync())

async function given() {
  const { path } = stack.use(await temporaryDirectory())
  const lake = stack.use(await createDirectoryLake(path))
  const secrets = { get: async () => 'the-key', has: async () => true, async [Symbol.asyncDispose]() {} }
  const mask = createSecretMask(createFill({ settings: {}, secrets }))
  const open = (adopts: boolean, fields: Partial<KeptAnswersTask> = {}) =>
    openKeptAnswers({
      lake,
      folder: 'raw/answers',
      names: new Set(),
      of: 'the same requests',
      pagination: { type: 'none' },
      mask,
      mayKeep: () => true,
      adopts,
      clock: fixedClock('2026-03-02T03:00:00Z'),
      log: recordingLog(),
      signal: new AbortController().signal,
      ...fields,
    })
  return { lake, open }
}

const answerOf = (text: string): Answer => ({
  status: 200,
  url: new URL('http://x/?key=the-key'),
  headers: new Headers(),
  body: Buffer.from(text),
})
const pageOf = (ask: () => Promise<Answer>) => ({
  ask,
  parse: async (answer: Answer) => ({ answer, body: { format: 'json', value: null } as const, records: [] }),
  hide: (url: URL) => url.href.replace('the-key', 'secret.KEY'),
  reveal: (hidden: string) => new URL(hidden.replace('secret.KEY', 'the-key')),
})

test('an answer that another worker keeps first is used in place of the own one, and counts once', async () => {
  const { open } = await given()
  const [own, other] = [open(true), open(true)]
  const [ownPages, otherPages] = [own.series(''), other.series('')]

  const bodies: string[] = []
  for (const page of ['1', '2', '3']) {
    const asked = async () => {
      await otherPages(
        page,
        pageOf(async () => answerOf(`other ${page}`)),
      )
      return answerOf(`own ${page}`)
    }
    const { answer } = await ownPages(page, pageOf(asked))
    bodies.push(answer.body.toString())
    expect(answer.url.href).toBe('http://x/?key=the-key')
  }

  expect(bodies).toEqual(['other 1', 'other 2', 'other 3'])
  const [ownFacts, otherFacts] = [await own.finish(), await other.finish()]
  expect(ownFacts).toEqual(otherFacts)
  expect(ownFacts.count).toBe(3)
})

test('answers of many parents are written a few at a time, and those that wait are bounded', async () => {
  const { lake, open } = await given()
  const { promise: isOpen, resolve } = Promise.withResolvers<void>()
  const put = lake.putIfAbsent.bind(lake)
  let writing = 0
  let most = 0
  lake.putIfAbsent = async (...call) => {
    most = Math.max(most, (writing += 1))
    await isOpen
    return await put(...call).finally(() => (writing -= 1))
  }
  const answers = open(false)
  const parents = Array.from({ length: 300 }, (_, index) => `${String(index).padStart(8, '0')}-`)

  let taken = 0
  const all = (async () => {
    for (const parent of parents) {
      await answers.series(parent, parent)(
        'page',
        pageOf(async () => answerOf(parent)),
      )
      taken += 1
    }
    await answers.drain()
  })()
  await until('answers are taken', () => taken >= 63)
  await new Promise((done) => setTimeout(done, 100))
  const takenBefore = taken
  resolve()
  await all

  expect(takenBefore).toBeLessThanOrEqual(64)
  expect(most).toBeLessThanOrEqual(8)
  expect(await answers.finish()).toMatchObject({ count: 300 })
})
