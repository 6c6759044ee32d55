import { createHash } from 'node:crypto'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryDirectory } from '@cinelake/testkit'
import { expect, test } from 'vitest'
import { writeCatalogueDrop } from './catalogue-drop.ts'
import { companySize, type CompanyKey } from './company-size.ts'
import { titleChangesOn, titleId, titleOn } from './titles.ts'

const company = (seed: number, scale = 0.25): CompanyKey => ({ seed, size: companySize(scale) })

test('the same seed gives the same files, byte for byte, and another seed gives others', async () => {
  const first = await digests(company(7))
  const again = await digests(company(7))
  const other = await digests(company(8))

  expect(first).toEqual(again)
  expect(Object.keys(first)).toHaveLength(8)
  expect(Object.values(other).filter((digest) => Object.values(first).includes(digest))).toEqual([])
})

test('a drop that is there already is left alone, and one that was cut off is written again', async () => {
  await using folder = await temporaryDirectory()
  await writeCatalogueDrop(company(7), 0, folder.path)
  const main = join(folder.path, 'titles_20260301_main.csv')
  const complete = await readFile(main, 'utf8')
  await rm(main)
  await writeFile(`${main}.part`, complete.slice(0, 100))
  await writeFile(join(folder.path, 'titles_20260301_partner.csv'), 'mine')

  await writeCatalogueDrop(company(7), 0, folder.path)

  expect(await readFile(main, 'utf8')).toBe(complete)
  expect(await readFile(join(folder.path, 'titles_20260301_partner.csv'), 'utf8')).toBe('mine')
  expect((await readdir(folder.path)).filter((name) => name.endsWith('.part'))).toEqual([])
})

test('the first drop has the dirt of real catalogues', async () => {
  await using folder = await temporaryDirectory()
  await writeCatalogueDrop(company(7), 0, folder.path)
  const bytes = (feed: string) => readFile(join(folder.path, `titles_20260301_${feed}.csv`))
  const main = (await bytes('main')).toString('utf8')
  const partner = (await bytes('partner')).toString('utf8')
  const legacy = await bytes('legacy')

  expect(main).toMatch(/"\['\w+(?: \w+)?', '\w+/)
  expect(main).toMatch(/,\d{4}-\d{2}-\d{2},/)
  expect(main).toMatch(/,\d{2}\.\d{2}\.\d{4},/)
  expect(main).toContain('N/A')
  expect(main).toMatch(/"[^"\n]*\n[^"\n]*"/)
  expect(
    main.split('\n').some((line) => line.startsWith(',')),
    'a row without its id',
  ).toBe(true)
  expect(partner.startsWith('\uFEFFShow ID,')).toBe(true)
  expect(partner).toMatch(/,\d+%,"\d{1,3}(,\d{3})+"/)
  expect(partner).toMatch(/"(January|March|August) \d{1,2}, \d{4}"/)
  expect(partner).toMatch(/31 Febuary 2019|2O21-04-31/)
  expect(legacy.includes(Buffer.from([0xe9]))).toBe(true)
  expect(legacy.includes(Buffer.from([0x93]))).toBe(true)
  expect(legacy.toString('latin1')).toMatch(/;\d,\d;/)
  expect(legacy.toString('latin1')).toMatch(/;\w+\|\w+/)
  const records = legacy.toString('latin1').split('\r\n')
  expect(new Set(records).size).toBeLessThan(records.length)
})

test('a later drop holds the new, the changed and the corrected titles only', async () => {
  await using folder = await temporaryDirectory()
  const key = company(7)
  await writeCatalogueDrop(key, 1, folder.path)
  const texts = await Promise.all(
    ['main', 'partner', 'legacy'].map((feed) => readFile(join(folder.path, `titles_20260302_${feed}.csv`), 'latin1')),
  )
  const ids = new Set(texts.join('\n').match(/tt\d{7}/g))

  expect(ids.has('tt0000012')).toBe(true)
  expect(ids.has('tt0000501')).toBe(true)
  const known = Array.from({ length: key.size.titleCount }, (_, index) => index)
  const changed = known.filter((index) => titleChangesOn(key, index, 1))
  expect(changed.filter((index) => !ids.has(titleId(index)))).toEqual([])
  const same = known.filter((index) => !changed.includes(index))
  expect(same.map((index) => titleOn(key, index, 1))).toEqual(same.map((index) => titleOn(key, index, 0)))
  expect(ids.size).toBeLessThan(60)
})

async function digests(key: CompanyKey): Promise<Record<string, string>> {
  await using folder = await temporaryDirectory()
  await writeCatalogueDrop(key, 0, folder.path)
  await writeCatalogueDrop(key, 1, folder.path)
  const names = (await readdir(folder.path)).toSorted()
  const entries = names.map(async (name) => {
    const bytes = await readFile(join(folder.path, name))
    return [name, createHash('sha256').update(bytes).digest('hex')] as const
  })
  return Object.fromEntries(await Promise.all(entries))
}
