import { expect, test } from 'vitest'
import { isAbsolutePath, staysBelow } from './schema-words.ts'

test.each([
  ['contracts/users.yaml', true, false],
  ['..hidden/a..b.yaml', true, false],
  ['../users.yaml', false, false],
  ['contracts/../../users.yaml', false, false],
  [String.raw`contracts\..\users.yaml`, false, false],
  ['/etc/passwd', false, true],
  [String.raw`\users.yaml`, false, false],
  [String.raw`\\server\share\users.yaml`, false, true],
  ['C:/users.yaml', false, true],
  [String.raw`C:\users.yaml`, false, true],
  ['C:users.yaml', false, false],
  ['a\0b', false, false],
])('%j stays below its folder: %s, and is absolute: %s', (path, below, absolute) => {
  expect([staysBelow(path), isAbsolutePath(path)]).toEqual([below, absolute])
})
