import { expect, test } from 'vitest'
import type { JsonObject } from '@cinelake/json-rows'
import { readChildPages } from './child-pages.ts'

test('the file of the parents is let go of when a parent cannot be asked about', async () => {
  let isOpen = false
  const parents = async function* (): AsyncGenerator<JsonObject> {
    isOpen = true
    try {
      for (let id = 1; ; id += 1) yield { 'users.id': String(id) }
    } finally {
      isOpen = false
    }
  }
  const read = async function* (): AsyncGenerator<never> {
    yield* []
    throw new Error('refused')
  }
  const options = { concurrency: 2, signal: new AbortController().signal, read }

  await expect(readChildPages(parents(), options).next()).rejects.toThrow('refused')

  expect(isOpen).toBe(false)
})
