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

test('a choice is made by its name, by the arrows, or by nothing for the usual one', async () => {
  const stdin = aTerminal()
  const ask = openQuestions(stdin, aTerminal())
  const choices = ['none', 'bearer', 'basic']
  stdin.write(`basic\r\u001B[B\r\rname\r\r`)

  expect([
    await ask?.('1?', { choices, initial: 'none' }),
    await ask?.('2?', { choices, initial: 'none' }),
    await ask?.('3?', { choices, initial: 'bearer' }),
    await ask?.('4?'),
    await ask?.('5?', { initial: 'usual' }),
  ]).toEqual(['basic', 'bearer', 'bearer', 'name', 'usual'])
})

test.each([
  ['Ctrl-C', '\u0003'],
  ['Ctrl-D', '\u0004'],
])('%s leaves the question, what was typed, and all that follow', async (_, key) => {
  const stdin = aTerminal()
  const ask = openQuestions(stdin, aTerminal())
  stdin.write(`typed${key}`)

  await expect(ask?.('1?')).rejects.toThrow('stopped')
  stdin.write('late\r')
  await expect(ask?.('2?')).rejects.toThrow('stopped')
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
