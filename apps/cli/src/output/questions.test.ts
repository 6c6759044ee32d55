import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { openQuestions } from './questions.ts'

const aTerminal = () => Object.assign(new PassThrough(), { isTTY: true })

test('lines that come all at once answer the questions one after the other', async () => {
  const stdin = aTerminal()
  const ask = openQuestions(stdin, aTerminal())
  stdin.write('one\ntwo\nthree\n')

  expect([await ask?.('1?'), await ask?.('2?'), await ask?.('3?')]).toEqual(['one', 'two', 'three'])
})

test('who leaves gives no answer, then and later', async () => {
  const stdin = aTerminal()
  const ask = openQuestions(stdin, aTerminal())
  const asked = ask?.('1?')
  stdin.end()

  await expect(asked).rejects.toThrow('stopped')
  await expect(ask?.('2?')).rejects.toThrow('stopped')
})

test('nobody is asked where nobody sits', () => {
  expect(openQuestions(Object.assign(new PassThrough(), { isTTY: false }), aTerminal())).toBeUndefined()
})
