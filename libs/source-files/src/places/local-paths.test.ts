import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { archiveFolder, fileBelow, isBelow, isMarker, markerOf } from './local-paths.ts'

const { win32, posix } = path

describe('a file below a folder', () => {
  test.each([
    [posix, '/drops', '/drops/a.csv', true],
    [posix, '/drops', '/drops/in/a.csv', true],
    [posix, '/', '/a.csv', true],
    [posix, '/drops', '/drops', false],
    [posix, '/drops', '/drops-too/a.csv', false],
    [posix, '/drops', '/a.csv', false],
    [posix, '/drops', '/drops/..hidden', true],
    [win32, String.raw`D:\drops`, String.raw`D:\drops\in\a.csv`, true],
    [win32, String.raw`D:\drops`, String.raw`d:\Drops\a.csv`, true],
    [win32, 'D:\\', String.raw`D:\a.csv`, true],
    [win32, String.raw`D:\drops`, String.raw`E:\drops\a.csv`, false],
    [win32, String.raw`D:\drops`, String.raw`D:\drops too\a.csv`, false],
    [win32, String.raw`\\server\share\drops`, String.raw`\\server\share\drops\a.csv`, true],
    [win32, String.raw`\\server\share\drops`, String.raw`\\server\other\drops\a.csv`, false],
  ])('%#: %s in %s', (rules, folder, file, expected) => {
    expect(isBelow(folder, file, rules)).toBe(expected)
  })
})

describe('the archive', () => {
  test.each([
    [posix, '/drops', 'done', '/drops/done'],
    [posix, '/drops', '../done', '/done'],
    [posix, '/drops', '/archive', '/archive'],
    [win32, String.raw`D:\drops`, 'done', String.raw`D:\drops\done`],
    [win32, String.raw`D:\drops`, String.raw`E:\archive`, String.raw`E:\archive`],
    [win32, String.raw`D:\drops`, 'E:/archive/', String.raw`E:\archive`],
    [win32, String.raw`D:\drops`, String.raw`\\server\archive\x`, String.raw`\\server\archive\x`],
  ])('%#: from %s to %s', (rules, folder, archive, expected) => {
    expect(archiveFolder(folder, archive, rules)).toBe(expected)
  })

  test('names have slashes in the lake, and what the machine has on it', () => {
    expect(fileBelow(String.raw`D:\drops`, 'a/b.csv', win32)).toBe(String.raw`D:\drops\a\b.csv`)
    expect(fileBelow('/drops', 'a/b.csv', posix)).toBe('/drops/a/b.csv')
  })
})

test.each([
  ['a/b.csv', '{name}.done', 'a/b.csv.done'],
  ['a/b.tar.gz', '{stem}.ok', 'a/b.tar.ok'],
  ['a/b.csv', '_SUCCESS', 'a/_SUCCESS'],
  ['.csv', '{stem}.ok', '.csv.ok'],
])('the marker of %s by %s is %s, and is no data', (name, marker, expected) => {
  expect(markerOf(name, marker)).toBe(expected)
  expect(isMarker(expected, marker)).toBe(true)
  expect(isMarker(name, marker)).toBe(false)
})
