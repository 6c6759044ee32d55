import { recordingLog, until } from '@cinelake/testkit'
import { expect, test } from 'vitest'
import { createWriteBehind } from './write-behind.ts'

/** A place to write to that is away until told otherwise. */
function aPlace() {
  const written: string[] = []
  const place = { isAway: true }
  const write = (what: string) => async () => {
    if (place.isAway) throw new Error('away')
    written.push(what)
  }
  return { written, place, write }
}

test('what cannot be written is written later, the newest of each key', async () => {
  const { written, place, write } = aPlace()
  await using writes = createWriteBehind({ log: recordingLog(), lingerMs: 0, mayRetry: () => true })
  writes.put('a', write('a 1'))
  writes.put('b', write('b 1'))
  await until('the first try is over', () => written.length === 0)
  writes.put('a', write('a 2'))

  place.isAway = false
  writes.wake()
  await until('both are written', () => written.length === 2)

  expect(written.toSorted()).toEqual(['a 2', 'b 1'])
})

test('what is refused for good is dropped, and said so', async () => {
  const { written, write } = aPlace()
  const log = recordingLog()
  await using writes = createWriteBehind({ log, lingerMs: 0, mayRetry: () => false })
  writes.put('a', write('a'))
  await until('it is said', () => log.lines.length === 1)

  expect([written, log.lines[0]?.facts['key']]).toEqual([[], 'a'])
})

test('no more is kept than was said, with one warning', async () => {
  const { written, place, write } = aPlace()
  const log = recordingLog()
  await using writes = createWriteBehind({ log, limit: 3, lingerMs: 0, mayRetry: () => true })
  for (const key of ['a', 'b', 'c', 'd', 'e']) writes.put(key, write(key))
  writes.put('a', write('a again'))

  place.isAway = false
  writes.wake()
  await until('they are written', () => written.length === 3)

  expect(written.toSorted()).toEqual(['a again', 'b', 'c'])
  expect(log.lines.map(({ level }) => level)).toEqual(['warn'])
})

test('disposing waits for what can be written', async () => {
  const { written, place, write } = aPlace()
  place.isAway = false
  const writes = createWriteBehind({ log: recordingLog(), lingerMs: 10_000, mayRetry: () => true })
  writes.put('a', write('a'))
  await writes[Symbol.asyncDispose]()

  expect(written).toEqual(['a'])
})
