import fc from 'fast-check'
import { expect, test } from 'vitest'
import { runIdOf, sha256, taskFileName } from './ids.ts'

test('a run is its pipeline and its window', () => {
  expect(runIdOf('ott', { start: '2026-02-28T23:00:00Z', end: '2026-03-01T23:00:00Z', label: '2026-03-01' })).toBe(
    'ott@2026-03-01',
  )
})

test.each([
  ['ingest crm/users', 'ingest-crm.users'],
  ['refine users', 'refine-users'],
  ['ingest billing/public.watch_history', 'ingest-billing.public%2Ewatch_history'],
])('the file of %j is named %j', (task, file) => {
  expect(taskFileName(task)).toBe(file)
})

test('distinct tasks have distinct file names', () => {
  const names = fc.string({
    unit: fc.constantFrom(' ', '-', '.', '/', '%', '_', 'a', '2', 'F', 'é', '\u{1F600}'),
    maxLength: 8,
  })
  fc.assert(
    fc.property(names, names, (one, two) => {
      fc.pre(one !== two)
      expect(taskFileName(one)).not.toBe(taskFileName(two))
    }),
    { numRuns: 5000 },
  )
})

test('a file name has no characters that a file system or an address minds', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (task) => {
      expect(taskFileName(task)).toMatch(/^[A-Za-z0-9_.%-]*$/)
    }),
  )
})

test('a digest of text is that of its UTF-8 bytes', () => {
  expect(sha256('é')).toBe(sha256(Buffer.from([0xc3, 0xa9])))
  expect(sha256('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
})
