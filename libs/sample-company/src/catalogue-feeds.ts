import type { Dirt } from './catalogue-dirt.ts'
import { isoInstant } from './company-days.ts'
import type { Title } from './titles.ts'

/** The file format of one of the catalogue's suppliers. */
export type Feed = {
  readonly name: 'main' | 'partner' | 'legacy'
  readonly encoding: 'utf-8' | 'utf-8-bom' | 'windows-1252'
  readonly delimiter: ',' | ';'
  readonly lineEnd: '\n' | '\r\n'
  readonly header: readonly string[]
  /** The cells of one row, in the order of the header. */
  row(title: Title): string[]
  /** The text for a missing value. */
  readonly missing: string
}

const main: Feed = {
  name: 'main',
  encoding: 'utf-8',
  delimiter: ',',
  lineEnd: '\n',
  missing: 'N/A',
  header:
    'title_id,title,type,genres,runtime,release_date,date_added,imdb_score,imdb_votes,views,language,country,synopsis,updated_at'.split(
      ',',
    ),
  row: (title) => [
    title.id,
    title.name,
    title.type,
    `[${title.genres.map((genre) => `'${genre}'`).join(', ')}]`,
    String(title.runtimeMinutes),
    // The main supplier changed its date format once and did not convert the old rows.
    title.viewCount % 9 === 0 ? dotted(title.releasedOn) : title.releasedOn,
    title.addedOn,
    (title.scoreTenths / 10).toFixed(1),
    String(title.voteCount),
    String(title.viewCount),
    title.language,
    title.country,
    title.synopsis,
    title.updatedAt,
  ],
}

const partner: Feed = {
  name: 'partner',
  encoding: 'utf-8-bom',
  delimiter: ',',
  lineEnd: '\r\n',
  missing: 'n/a',
  header:
    'Show ID,Name,Category,Listed In,Duration,Released,Added,Score,Votes,Total Views,Lang,Country of Origin,Description,Last Updated'.split(
      ',',
    ),
  row: (title) => [
    title.id,
    title.name,
    title.type === 'MOVIE' ? 'Movie' : 'TV Show',
    title.genres.join(', '),
    `${title.runtimeMinutes} min`,
    spelled(title.releasedOn),
    spelled(title.addedOn),
    `${title.scoreTenths}%`,
    grouped(title.voteCount),
    grouped(title.viewCount),
    title.language.toUpperCase(),
    title.country,
    title.synopsis,
    title.updatedAt.replace('T', ' ').replace('Z', ''),
  ],
}

const legacy: Feed = {
  name: 'legacy',
  encoding: 'windows-1252',
  delimiter: ';',
  lineEnd: '\r\n',
  missing: '-',
  header: 'id,title,kind,genre,minutes,released,added,rating,votes,views,language,country,synopsis,changed'.split(','),
  row: (title) => [
    title.id,
    title.name,
    title.type === 'MOVIE' ? 'Film' : 'Series',
    title.genres.join('|'),
    String(title.runtimeMinutes),
    slashed(title.releasedOn),
    slashed(title.addedOn),
    (title.scoreTenths / 10).toFixed(1).replace('.', ','),
    String(title.voteCount),
    String(title.viewCount),
    title.language,
    title.country,
    title.synopsis,
    title.updatedAt,
  ],
}

/** Three of five titles come from the main supplier, one each from the others. */
export const FEEDS: readonly Feed[] = [main, partner, legacy]

export function feedOf(index: number): Feed {
  const place = index % 5
  if (place === 1) return partner
  return place === 3 ? legacy : main
}

/** The CSV records of a title on a day: usually one. */
export function recordsOf(feed: Feed, title: Title, dirt: Dirt | undefined): string {
  const rows = dirt === undefined ? [feed.row(title)] : DIRTY_ROWS[dirt](feed, title)
  return rows.map((row) => csvRecord(feed, row)).join('')
}

type Rows = string[][]

/** The rows of a title with a defect. */
const DIRTY_ROWS: Readonly<Record<Dirt, (feed: Feed, title: Title) => Rows>> = {
  'exact-duplicate': (feed, title) => [feed.row(title), feed.row(title)],
  'partial-duplicate': (feed, title) => {
    const later = isoInstant(Date.parse(title.updatedAt) + 60_000)
    const row = feed.row({ ...title, updatedAt: later })
    return [feed.row(title), row.with(COLUMN.score, feed.missing).with(COLUMN.votes, feed.missing)]
  },
  'date-typo': (feed, title) =>
    withText(feed, title, 'released', title.viewCount % 2 === 0 ? '31 Febuary 2019' : '2O21-04-31'),
  'score-out-of-range': (feed, title) => withText(feed, title, 'score', feed.name === 'partner' ? '870%' : '87.0'),
  'missing-id': (feed, title) => withText(feed, title, 'id', ''),
  'cut-off': (feed, title) => [feed.row(title).slice(0, 6)],
  'unknown-type': (feed, title) => withText(feed, title, 'type', 'Podcast'),
  'runtime-zero': (feed, title) => withText(feed, title, 'runtime', '0'),
  'score-missing': (feed, title) => [feed.row(title).with(COLUMN.score, feed.missing).with(COLUMN.votes, '')],
  'quoted-newline': (feed, title) => withText(feed, title, 'synopsis', title.synopsis.replace(' ', feed.lineEnd)),
}

function withText(feed: Feed, title: Title, column: keyof typeof COLUMN, text: string): Rows {
  return [feed.row(title).with(COLUMN[column], text)]
}

const COLUMN = { id: 0, type: 2, runtime: 4, released: 5, score: 7, votes: 8, synopsis: 12 } as const

export function csvRecord(feed: Pick<Feed, 'delimiter' | 'lineEnd'>, texts: readonly string[]): string {
  return `${texts.map((text) => csvText(feed, text)).join(feed.delimiter)}${feed.lineEnd}`
}

function csvText({ delimiter }: Pick<Feed, 'delimiter'>, text: string): string {
  if (!text.includes(delimiter) && !/["\r\n]/.test(text)) return text
  return `"${text.replaceAll('"', '""')}"`
}

/** `1234567` → `1,234,567` */
function grouped(count: number): string {
  return count.toLocaleString('en-US')
}

/** `2026-03-01` → `March 1, 2026` */
function spelled(date: string): string {
  return new Date(date).toLocaleDateString('en-US', { dateStyle: 'long', timeZone: 'UTC' })
}

/** `2026-03-01` → `01/03/2026` */
function slashed(date: string): string {
  return date.split('-').toReversed().join('/')
}

/** `2026-03-01` → `01.03.2026` */
function dotted(date: string): string {
  return slashed(date).replaceAll('/', '.')
}
