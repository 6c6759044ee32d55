import { setTimeout } from 'node:timers/promises'
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

test('where one parent fails, nothing is done for the others any more once the error is told', async () => {
  const ended: number[] = []
  const parents = async function* (): AsyncGenerator<JsonObject> {
    for (let id = 1; id <= 3; id += 1) yield { 'users.id': String(id) }
  }
  const read = async function* (_: JsonObject, number: number): AsyncGenerator<never> {
    yield* []
    if (number === 1) throw new Error('refused')
    // As an answer that is being packed, which no signal stops.
    await setTimeout(20)
    ended.push(number)
  }
  const options = { concurrency: 3, signal: new AbortController().signal, read }

  await expect(readChildPages(parents(), options).next()).rejects.toThrow('refused')

  expect(ended).toEqual([2, 3])
})
