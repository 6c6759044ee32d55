import { expect, test } from 'vitest'
import { openByScheme } from './open-by-scheme.ts'

const openers = {
  memory: () => 'memory',
  file: (location: string) => `file at ${location}`,
  https: (_location: string, url: string) => `vault at ${url}`,
}

test.each([
  ['memory:', 'memory'],
  ['file:.cinelake/lake', 'file at .cinelake/lake'],
  ['file:///mnt/secrets', 'file at /mnt/secrets'],
  ['FILE:/x', 'file at /x'],
  ['https://v.vault.azure.net', 'vault at https://v.vault.azure.net'],
])('%s opens %s', (url, expected) => {
  expect(openByScheme(url, openers)).toBe(expected)
})

test.each([
  ['sb://space.example', '`sb:`'],
  ['toString:', '`toString:`'],
  ['/just/a/path', 'none'],
  ['Endpoint=sb://x;SharedAccessKey=hunter2', 'none'],
  ['', 'none'],
])('%j is refused with the schemes that there are, and without the address', (url, got) => {
  const open = () => openByScheme(url, openers, 'CINELAKE_BUS')

  expect(open).toThrow(
    `CINELAKE_BUS cannot be used:\n  - expected an address with the scheme \`memory:\` or \`file:\` or \`https:\`, got ${got}`,
  )
  expect(open).not.toThrow('hunter2')
})
