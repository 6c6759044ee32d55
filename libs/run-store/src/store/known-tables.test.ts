import type { TaskOutput } from '@cinelake/contracts'
import { describe, expect, test } from 'vitest'
import { newest } from '../read/known-tables.ts'

type TableOutput = Extract<TaskOutput, { kind: 'table' }>
const made = (version: number, more: Partial<TableOutput> = {}): TableOutput => ({
  kind: 'table',
  table: 'orders',
  version,
  outcome: 'committed',
  ...more,
})

describe('what is known of a table after a task', () => {
  test.each([
    ['the first thing', undefined, made(0, { id: 'a' }), { version: 0, id: 'a' }],
    ['a later version', { version: 3, id: 'a' }, made(5, { id: 'a' }), { version: 5, id: 'a' }],
    ['not an earlier one, which came late', { version: 3, id: 'a' }, made(1, { id: 'a' }), { version: 3, id: 'a' }],
    ['the id of what was known without', { version: 3 }, made(3, { id: 'a' }), { version: 3, id: 'a' }],
    ['a version of a worker that tells no id', { version: 3, id: 'a' }, made(4), { version: 4, id: 'a' }],
    ['the life that it began', { version: 9, id: 'a' }, made(0, { id: 'b', began: true }), { version: 0, id: 'b' }],
    [
      'the life that it began over one without an id',
      { version: 9 },
      made(0, { id: 'b', began: true }),
      { version: 0, id: 'b' },
    ],
    ['that life once, told twice', { version: 4, id: 'b' }, made(0, { id: 'b', began: true }), { version: 4, id: 'b' }],
    ['nothing of a life that is over', { version: 0, id: 'b' }, made(9, { id: 'a' }), { version: 0, id: 'b' }],
  ])('%s', (_, before, output, after) => {
    expect(newest(before, output)).toEqual(after)
  })
})
