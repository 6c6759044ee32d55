import { expect, test } from 'vitest'
import { BodyBuffers } from './body-buffers.ts'

const bytes = (text: string) => [Buffer.from(text.slice(0, 2)), Buffer.from(text.slice(2))]

test('a body has the memory of one that was given back, and never that of one in use', () => {
  const buffers = new BodyBuffers()
  const first = buffers.joined(bytes('first'), 5)
  const second = buffers.joined(bytes('second'), 6)
  buffers.release(second)
  const third = buffers.joined(bytes('third'), 5)
  const fourth = buffers.joined(bytes('fourth'), 6)

  expect([first, third, fourth].map(String)).toEqual(['first', 'third', 'fourth'])
  expect(third.buffer).toBe(second.buffer)
  expect(new Set([first, third, fourth].map(({ buffer }) => buffer)).size).toBe(3)
})

test('memory is given back once, and only where it was lent', () => {
  const buffers = new BodyBuffers()
  const own = buffers.joined(bytes('own'), 3)
  buffers.release(own)
  buffers.release(own)
  buffers.release(Buffer.from('a part of memory that others use as well'))
  const [one, other] = [buffers.joined(bytes('one'), 3), buffers.joined(bytes('other'), 5)]

  expect([one, other].map(String)).toEqual(['one', 'other'])
  expect(one.buffer).toBe(own.buffer)
  expect(other.buffer).not.toBe(own.buffer)
  expect(other.buffer.byteLength).toBeLessThan(100)
})
