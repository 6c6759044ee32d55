import { createWriteStream } from 'node:fs'
import { rename, stat } from 'node:fs/promises'
import { makeDirectory } from '@cinelake/core'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { dirtOf, isFixedTheNextDay } from './catalogue-dirt.ts'
import { csvRecord, feedOf, FEEDS, recordsOf, type Feed } from './catalogue-feeds.ts'
import { dateOf } from './company-days.ts'
import { titleCountOn, type CompanyKey } from './company-size.ts'
import { creditsOf } from './credits.ts'
import { encodeText } from './encode-text.ts'
import { titleChangesOn, titleOn } from './titles.ts'

/** About how many characters go to the disk at once. */
const CHUNK_LENGTH = 256 * 1024

/**
 * Writes the files that the catalogue's suppliers drop on a day: everything on the first day, then what is new, changed
 * or corrected. Each file appears complete or not at all, and is left alone when it is there already.
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

/** The titles that a day's drop is about. */
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
