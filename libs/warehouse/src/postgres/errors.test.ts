import { expect, test } from 'vitest'
import { transientError } from '@cinelake/database/postgres'
import { loadError, queryError } from './errors.ts'

const LOCATION = 'postgres://host/db'

function fault(code: string): Error {
  return Object.assign(new Error('what the server says'), { code })
}

test.each([
  ['08006', 'the connection is lost'],
  ['40001', 'a serialization failure'],
  ['40P01', 'a deadlock'],
  ['53300', 'too many connections'],
  ['55P03', 'a lock that is held'],
  ['57P01', 'a server that shuts down'],
  ['25P03', 'a transaction that was idle for too long'],
  ['25P04', 'a transaction that took too long'],
])('%s, %s, is tried again', (code) => {
  expect(loadError(fault(code), { table: 'titles', location: LOCATION })).toMatchObject({ retryable: true })
  expect(queryError(fault(code), { location: LOCATION, sql: 'SELECT 1', timeoutMs: 1 })).toMatchObject({
    retryable: true,
  })
  expect(transientError(fault(code), LOCATION)).toMatchObject({ retryable: true })
})

test.each(['22001', '23505', '25006', '25P02', '42501'])('%s is not', (code) => {
  expect(loadError(fault(code), { table: 'titles', location: LOCATION })).toMatchObject({ retryable: false })
  expect(transientError(fault(code), LOCATION)).toBeUndefined()
})
