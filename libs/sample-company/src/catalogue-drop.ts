import { makeDirectory } from '@cinelake/core'
import { createWriteStream } from 'node:fs'
import { rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { dirtOf, isFixedTheNextDay } from './catalogue-dirt.ts'
import { csvRecord, feedOf, FEEDS, recordsOf, type Feed } from './catalogue-feeds.ts'
import { dateOf } from './company-days.ts'
import { titleCountOn, type CompanyKey } from './company-size.ts'
import { randomOf } from './random.ts'
import { titleChangesOn, titleId, titleOn } from './titles.ts'
import { GIVEN_NAMES, SURNAME_ENDS, SURNAME_STARTS, TITLE_ADJECTIVES, TITLE_NOUNS } from './words.ts'

/** Approximate number of characters written to disk at once. */
const CHUNK_LENGTH = 256 * 1024

/**
 * Writes the files that the catalogue's suppliers drop on a day: everything on the first day, then new, changed and
 * corrected titles. Each file appears complete or not at all, and an existing one is kept.
 */
export async function writeCatalogueDrop(company: CompanyKey, day: number, folder: string): Promise<void> {
  await makeDirectory(folder)
  const stamp = dateOf(company, day).replaceAll('-', '')
  for (const feed of FEEDS) {
    const file = join(folder, `titles_${stamp}_${feed.name}.csv`)
    await writeOnce(file, encodeText(inChunks(titleRecords(company, day, feed)), feed.encoding))
  }
  await writeOnce(join(folder, `credits_${stamp}.csv`), encodeText(inChunks(creditRecords(company, day)), 'utf-8'))
}

/** The titles in a day's drop. */
function* droppedTitles(company: CompanyKey, day: number): Generator<number> {
  const before = day === 0 ? 0 : titleCountOn(company.size, day - 1)
  for (let index = 0; index < before; index += 1) {
    const fixed = isFixedTheNextDay(index) && (day === 1 || index >= titleCountOn(company.size, day - 2))
    if (titleChangesOn(company, index, day) || fixed) yield index
  }
  for (let index = before; index < titleCountOn(company.size, day); index += 1) yield index
}

function* titleRecords(company: CompanyKey, day: number, feed: Feed): Generator<string> {
  const firstNew = day === 0 ? 0 : titleCountOn(company.size, day - 1)
  yield csvRecord(feed, feed.header)
  for (const index of droppedTitles(company, day)) {
    if (feedOf(index) !== feed) continue
    yield recordsOf(feed, titleOn(company, index, day), index >= firstNew ? dirtOf(index) : undefined)
  }
}

function* creditRecords(company: CompanyKey, day: number): Generator<string> {
  const form = { delimiter: ',', lineEnd: '\n' } as const
  yield csvRecord(form, ['person_id', 'title_id', 'name', 'character', 'role'])
  const first = day === 0 ? 0 : titleCountOn(company.size, day - 1)
  for (let index = first; index < titleCountOn(company.size, day); index += 1) {
    for (const credit of creditsOf(company, index)) yield csvRecord(form, credit)
  }
}

function* inChunks(texts: Iterable<string>): Generator<string> {
  let chunk = ''
  for (const text of texts) {
    chunk += text
    if (chunk.length < CHUNK_LENGTH) continue
    yield chunk
    chunk = ''
  }
  if (chunk !== '') yield chunk
}

async function writeOnce(file: string, chunks: Iterable<Uint8Array>): Promise<void> {
  const there = await stat(file).catch(() => undefined)
  if (there !== undefined) return
  const part = `${file}.part`
  await pipeline(Readable.from(chunks), createWriteStream(part))
  await rename(part, file)
}

type TextEncoding = 'utf-8' | 'utf-8-bom' | 'windows-1252'

/**
 * Windows-1252 where it differs from Latin-1 (0x80 to 0x9f), as far as the company's texts need it.
 * Source: https://encoding.spec.whatwg.org/index-windows-1252.txt
 */
const WINDOWS_1252: Readonly<Record<string, string>> = {
  '€': '\u0080',
  '…': '\u0085',
  '‘': '\u0091',
  '’': '\u0092',
  '“': '\u0093',
  '”': '\u0094',
  '–': '\u0096',
}

/** Encodes the text of a file. */
function* encodeText(texts: Iterable<string>, encoding: TextEncoding): Generator<Uint8Array> {
  if (encoding === 'utf-8-bom') yield Buffer.from('\uFEFF')
  for (const text of texts) yield encoding === 'windows-1252' ? windows1252(text) : Buffer.from(text)
}

function windows1252(text: string): Buffer {
  return Buffer.from(
    text.replace(/[€…‘’“”–]/g, (character) => WINDOWS_1252[character] ?? '?'),
    'latin1',
  )
}

const PERSON_COUNT = GIVEN_NAMES.length * SURNAME_STARTS.length * SURNAME_ENDS.length

/** Cast and crew of a title: one director and a few actors, as `[person id, title id, name, character, role]`. */
function* creditsOf(company: CompanyKey, index: number): Generator<readonly string[]> {
  const random = randomOf(company.seed, 'credits', index)
  const cast = new Set<number>()
  const size = 3 + random.int(4)
  while (cast.size < size) cast.add(random.int(PERSON_COUNT))
  for (const [place, person] of [...cast].entries()) {
    const character = `${random.pick(TITLE_ADJECTIVES)} "${random.pick(TITLE_NOUNS)}"`
    const isDirector = place === 0
    const row = [`nm${String(person).padStart(6, '0')}`, titleId(index), personName(person)]
    yield [...row, isDirector ? '' : character, isDirector ? 'DIRECTOR' : 'ACTOR']
  }
}

function personName(person: number): string {
  const given = GIVEN_NAMES[person % GIVEN_NAMES.length] ?? ''
  const rest = Math.floor(person / GIVEN_NAMES.length)
  const start = SURNAME_STARTS[rest % SURNAME_STARTS.length] ?? ''
  const end = SURNAME_ENDS[Math.floor(rest / SURNAME_STARTS.length)] ?? ''
  return `${given} ${start}${end}`
}
