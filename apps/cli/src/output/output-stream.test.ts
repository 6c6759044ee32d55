import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { openOutput } from './output-stream.ts'

/** A stream that takes one write, and fails at each further one. */
function failing(code: string) {
  const written: string[] = []
  const stream = new Writable({
    autoDestroy: false,
    write(chunk: Buffer, _encoding, done) {
      if (written.length > 0) return done(Object.assign(new Error(code), { code }))
      written.push(chunk.toString())
      done()
    },
  })
  return { stream, written }
}

test.each([
  ['EPIPE', []],
  ['ENOSPC', ['ENOSPC']],
])('after %s nothing more is written, and what is an error is told once', async (code, told) => {
  const { stream, written } = failing(code)
  const failures: string[] = []
  const output = openOutput(stream, (error) => void failures.push(error.message))

  output.write('one')
  for (const text of ['two', 'three']) {
    output.write(text)
    await new Promise((resolve) => setImmediate(resolve))
  }

  expect(written).toEqual(['one'])
  expect(failures).toEqual(told)
})
