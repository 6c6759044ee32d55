import { describe, expect, test } from 'vitest'
import {
  CancelledError,
  ConfigError,
  defineErrors,
  reasonOf,
  reportError,
  terminal,
  TerminalError,
  transient,
  TransientError,
} from './errors.ts'

class FileBroken extends TerminalError {
  readonly code = 'TEST_FILE_BROKEN'
}

describe('an error as it is reported', () => {
  test('keeps code, words, context and whether a retry can help', () => {
    expect(reportError(new FileBroken('file is broken [file=a.csv]', { file: 'a.csv', line: 3 }))).toEqual({
      code: 'TEST_FILE_BROKEN',
      message: 'file is broken [file=a.csv]',
      retryable: false,
      context: { file: 'a.csv', line: 3 },
    })
  })

  test('names its causes, each once', () => {
    const root = new Error('connect ECONNREFUSED')
    const middle = new Error('server is away: connect ECONNREFUSED', { cause: root })

    expect(reportError(new FileBroken('cannot read', {}, { cause: middle })).message).toBe(
      'cannot read; caused by: server is away: connect ECONNREFUSED',
    )
    expect(reportError(new FileBroken('cannot read', {}, { cause: root })).message).toBe(
      'cannot read; caused by: connect ECONNREFUSED',
    )
  })

  test('that nobody raised on purpose may be retried', () => {
    expect(reportError(new TypeError('x is undefined'))).toEqual({
      code: 'UNEXPECTED_ERROR',
      message: 'x is undefined',
      retryable: true,
      context: {},
    })
    expect(reportError('a text')).toMatchObject({ code: 'UNEXPECTED_ERROR', message: 'a text' })
    expect(reportError(undefined)).toMatchObject({ code: 'UNEXPECTED_ERROR' })
  })

  test('names the failures of which it is made, when it has no words of its own', () => {
    // What Node throws when a name has several addresses and none of them answers.
    const away = new AggregateError([
      new Error('connect ECONNREFUSED ::1:1'),
      new Error('connect ECONNREFUSED 127.0.0.1:1'),
    ])

    expect(reportError(new FileBroken('cannot read', {}, { cause: away })).message).toBe(
      'cannot read; caused by: connect ECONNREFUSED ::1:1, connect ECONNREFUSED 127.0.0.1:1',
    )
    expect(reportError(new RangeError()).message).toBe('RangeError')
  })

  test('says of a thrown object what it is called, and nothing else of it', () => {
    expect(reasonOf({ name: 'ErrnoError', errno: 51, secret: 'x' })).toBe('a thrown object (ErrnoError, errno 51)')
    expect(reasonOf({})).toBe('a thrown object')
    expect([reasonOf('a text'), reasonOf(new Error('a message')), reasonOf(null)]).toEqual([
      'a text',
      'a message',
      'a thrown null',
    ])
  })

  test('can be reported whatever was thrown', () => {
    const circle: { self?: unknown } = {}
    circle.self = circle

    for (const thrown of [circle, 1n, Symbol('x'), null, () => {}])
      expect(reportError(thrown)).toMatchObject({ code: 'UNEXPECTED_ERROR', message: expect.stringMatching(/./) })
  })

  test('is without secrets where it leaves the process', () => {
    const error = new FileBroken(
      'no login as me:hunter2',
      { url: 'x://me:hunter2@host', port: 1 },
      { cause: 'hunter2!' },
    )

    expect(reportError(error, (text) => text.replaceAll('hunter2', '…'))).toMatchObject({
      message: 'no login as me:…; caused by: …!',
      context: { url: 'x://me:…@host', port: 1 },
    })
  })

  test('ends, though its causes go in a circle', () => {
    const one = new Error('one')
    const two = new Error('two', { cause: one })
    one.cause = two

    expect(reportError(one).message).toBe('one; caused by: two')
  })
})

test('an error carries the name of its class', () => {
  expect(new FileBroken('x', {}).name).toBe('FileBroken')
})

test('a configuration error lists every problem on a line of its own', () => {
  const error = new ConfigError('settings cannot be used', ['A: expected a number', 'B is not set'])

  expect(error.message).toBe('settings cannot be used:\n  - A: expected a number\n  - B is not set')
  expect(error).toMatchObject({
    code: 'CONFIG_INVALID',
    retryable: false,
    problems: ['A: expected a number', 'B is not set'],
  })
})

test('work that was stopped may be done again', () => {
  expect(new CancelledError('load orders')).toMatchObject({
    code: 'WORK_CANCELLED',
    retryable: true,
    message: expect.stringContaining('load orders'),
  })
})

describe('errors in a table', () => {
  const errors = defineErrors({
    TEST_FILE_EMPTY: terminal((file: string, line = 1) => [
      `file is empty [file=${file} line=${line}]`,
      { file, line },
    ]),
    TEST_FILE_AWAY: transient((reason: Error) => [`file is away: ${reason.message}`, {}]),
  })

  test('have the code of their row, its words and facts, and say whether a retry can help', () => {
    const error = errors.TEST_FILE_EMPTY('a.csv')

    expect(error).toBeInstanceOf(TerminalError)
    expect({ ...reportError(error), name: error.name }).toEqual({
      code: 'TEST_FILE_EMPTY',
      name: 'TEST_FILE_EMPTY',
      message: 'file is empty [file=a.csv line=1]',
      retryable: false,
      context: { file: 'a.csv', line: 1 },
    })
    expect(errors.TEST_FILE_AWAY(new Error('ENOENT'))).toBeInstanceOf(TransientError)
  })

  test('keep their cause, which is not taken for a fact, nor a fact for a cause', () => {
    const cause = new Error('ENOENT')
    const fact = new Error('stale', { cause: new Error('older') })

    expect(errors.TEST_FILE_EMPTY('a.csv', 3, { cause })).toMatchObject({ context: { line: 3 }, cause })
    expect(errors.TEST_FILE_AWAY(fact).cause).toBeUndefined()
    expect(errors.TEST_FILE_AWAY(fact, { cause }).cause).toBe(cause)
  })
})
