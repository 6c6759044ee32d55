import { isObject, parseJson, type JsonValue } from '@cinelake/json-rows'
import { plainName } from '@cinelake/csv'
import type { CheckedColumn, FileReading } from '@cinelake/pipeline'
import { identifier } from '@cinelake/sql'
import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fieldColumn } from '../read-csv/relation.ts'
import type { UnpackedFile } from '../read-csv/unpack-file.ts'
import { readJson, readNdjson } from '../read-json/read-json.ts'
import { KIND, type Kind, type RecordFile } from '../read-records/record.ts'
import { readTyped } from '../read-records/typed-column.ts'
import { writeRecords, type WrittenRecords } from '../read-records/write-records.ts'
import type { FileSample, SampleContext } from './file-sample.ts'
import { TRIED, triedColumn } from './file-sample.ts'

/** Levels of objects in objects whose fields become columns. */
const MAX_DEPTH = 3
/** Most columns: objects whose names are values have any number. */
const MAX_COLUMNS = 500
/** Bytes of a document that are looked at for the place of its records. */
const DOCUMENT_BYTES = 32 * 1024 * 1024

/**
 * Reads the first records of a JSON or NDJSON file. Fields of objects within are columns of their own, and lists of objects
 * stay JSON.
 * @returns undefined for a file without a record
 */
export async function sampleJson(
  { name, file }: UnpackedFile,
  declared: FileReading,
  context: SampleContext,
): Promise<FileSample | undefined> {
  const isDocument = declared.format === 'json'
  const records = isDocument && declared.records === undefined ? await recordsIn(file) : undefined
  const reading: FileReading = { ...declared, ...(records === undefined ? {} : { records }) }
  const open = (columns: readonly CheckedColumn[]): RecordFile => {
    const of = { name, file, reading, columns }
    return limited(isDocument ? readJson(of) : readNdjson(of), context.limit)
  }
  const names = await namesIn(open([]), context)
  if (names.length === 0) return undefined
  const { session } = context
  const first = await tableOf(names.map(columnOf), open, context)
  const lists = await listsAmong(first.kinds, session)
  const columns = names.map((one, index) => ({ ...columnOf(one), ...(lists.has(index) ? { type: 'VARCHAR[]' } : {}) }))
  const written = lists.size === 0 ? first : await tableOf(columns, open, context)
  const [unread] = await session.rows<{ n: number | bigint }>(`SELECT count(*) AS n FROM ${TRIED} WHERE unread`)
  await session.run(`DELETE FROM ${TRIED} WHERE unread`)
  const unreadCount = Number(unread?.n ?? 0)
  return {
    facts: [['written', isDocument ? `JSON, records at ${reading.records ?? '$'}` : 'JSON, an object a line']],
    columns: names.map((one, index) => ({ name: one, ...typeOf(written.kinds[index], lists.has(index)) })),
    read: records === undefined ? {} : { format: 'json', records },
    isInOrder: false,
    rowCount: written.recordCount - unreadCount,
    unreadCount,
    isAll: written.recordCount < context.limit,
    readColumn: (column, index) =>
      readTyped({ ...COLUMN, ...column }, triedColumn(index), kindsOf(written.kinds[index], index), declared.nulls),
  }
}

const columnOf = (name: string): CheckedColumn => ({ ...COLUMN, name, reading: { from: [name] } })

/** The records as the table of the sample. */
async function tableOf(
  columns: readonly CheckedColumn[],
  open: (columns: readonly CheckedColumn[]) => RecordFile,
  { session, directory, signal }: SampleContext,
): Promise<WrittenRecords> {
  const copy = join(directory, 'tried-records.csv')
  const written = await writeRecords(open(columns), columns, copy, signal)
  const all = [PROBLEM, KINDS, ...columns.map((_, index) => fieldColumn(index))]
  const types = `{${all.map((one) => `'${one}': 'VARCHAR'`).join(', ')}}`
  const fields = columns.map((_, index) => `${identifier(fieldColumn(index))} AS ${triedColumn(index)}`)
  await session.run(`CREATE OR REPLACE TEMP TABLE ${TRIED} AS SELECT ${fields.join(', ')}, ${identifier(KINDS)} AS kinds, ${identifier(PROBLEM)} IS NOT NULL AS unread
FROM read_csv('${copy.replaceAll("'", "''")}', auto_detect = false, header = false, delim = ',', quote = '"', escape = '"', new_line = '\\n', nullstr = '', allow_quoted_nulls = false, columns = ${types}, hive_partitioning = false)`)
  return written
}

/** The columns of which every value is a list without objects and lists in it. */
async function listsAmong(
  kinds: readonly ReadonlySet<Kind>[],
  session: SampleContext['session'],
): Promise<Set<number>> {
  const nested = kinds.flatMap((those, index) => (those.size === 1 && those.has(KIND.json) ? [index] : []))
  if (nested.length === 0) return new Set()
  const areLists = nested.map(
    (index) => `bool_and(regexp_full_match(${triedColumn(index)}, '\\[[^\\[\\]{}]*\\]')) AS c${index}`,
  )
  const [found = {}] = await session.rows<Readonly<Record<string, boolean | null>>>(
    `SELECT ${areLists.join(', ')} FROM ${TRIED} WHERE NOT unread`,
  )
  return new Set(nested.filter((index) => found[`c${index}`] === true))
}

const PROBLEM = 'cinelake.problem'
const KINDS = 'cinelake.kinds'
const COLUMN = { type: 'VARCHAR', required: false } as unknown as CheckedColumn

function kindsOf(kinds: ReadonlySet<Kind> | undefined, index: number) {
  return { kinds: [...(kinds ?? [])], kind: `substr(kinds, ${index + 1}, 1)` }
}

/** Numbers, booleans and lists say what they are; a text may be a date. */
function typeOf(kinds: ReadonlySet<Kind> | undefined, isList: boolean): { readonly type?: string } {
  if (isList) return { type: 'VARCHAR[]' }
  return kinds?.size === 1 && kinds.has(KIND.boolean) ? { type: 'BOOLEAN' } : {}
}

/** The first records of a file. */
function limited(records: RecordFile, limit: number): RecordFile {
  return {
    get names() {
      return records.names
    },
    async *read(signal) {
      let left = limit
      for await (const batch of records.read(signal)) {
        yield batch.slice(0, left)
        left -= batch.length
        if (left <= 0) return
      }
    },
  }
}

/** The names of the columns, in the order in which they first occur. */
async function namesIn(records: RecordFile, { signal }: SampleContext): Promise<string[]> {
  const found = new Map<string, { objects: number; others: number }>()
  for await (const batch of records.read(signal)) {
    for (const { problem, raw } of batch) {
      const record = problem === undefined ? parsed(raw()) : undefined
      if (record !== undefined && isObject(record)) collect(record, '', 1, found)
    }
  }
  const isTaken = (name: string) => {
    const { objects = 0, others = 0 } = found.get(name) ?? {}
    return others > 0 || objects === 0
  }
  const names = [...found.keys()].filter((name) => isTaken(name) && !isWithinText(name, found))
  const plain = new Set<string>()
  return names.filter((name) => !plain.has(plainName(name)) && plain.add(plainName(name))).slice(0, MAX_COLUMNS)
}

type FoundFields = Map<string, { objects: number; others: number }>

/** Whether a field above is an object in some records and something else in others: it is one column of JSON. */
function isWithinText(name: string, found: FoundFields): boolean {
  const steps = name.split('.')
  return steps.some((_, index) => (found.get(steps.slice(0, index).join('.'))?.others ?? 0) > 0)
}

function collect(record: Readonly<Record<string, unknown>>, prefix: string, depth: number, found: FoundFields): void {
  for (const [field, value] of Object.entries(record)) {
    // Dots are between names: a name with a dot of its own cannot be told from them, nor one without letters.
    const isPath = depth < MAX_DEPTH && isObject(value as JsonValue) && Object.keys(value as object).length > 0
    const isNamed = field.trim() !== '' && !field.includes('.')
    if (!isNamed) continue
    const name = `${prefix}${field}`
    const counts = found.get(name) ?? { objects: 0, others: 0 }
    if (found.size < 10 * MAX_COLUMNS) found.set(name, counts)
    if (isPath) {
      counts.objects++
      collect(value as Record<string, unknown>, `${name}.`, depth + 1, found)
    } else if (value !== null && value !== undefined) counts.others++
  }
}

function parsed(text: string): JsonValue | undefined {
  try {
    return parseJson(text)
  } catch {
    return undefined
  }
}

/** Where the records of a document are that is an object: the only list of objects in it, or the longest. */
async function recordsIn(file: string): Promise<string | undefined> {
  if ((await stat(file)).size > DOCUMENT_BYTES) return undefined
  await using handle = await open(file, 'r')
  const document = parsed((await handle.readFile()).toString().replace(/^\u{feff}/u, ''))
  if (document === undefined || !isObject(document)) return undefined
  const lists: { readonly path: string; readonly length: number }[] = []
  const visit = (value: JsonValue, path: string, depth: number): void => {
    if (Array.isArray(value)) {
      if (value.length > 0 && value.every((item) => isObject(item as JsonValue)))
        lists.push({ path, length: value.length })
      return
    }
    if (depth > MAX_DEPTH || !isObject(value)) return
    for (const [name, inner] of Object.entries(value)) {
      if (name.includes("'")) continue
      visit(inner ?? null, /^[^.[\]*\s'"]+$/.test(name) ? `${path}.${name}` : `${path}['${name}']`, depth + 1)
    }
  }
  visit(document, '$', 0)
  return lists.sort((one, other) => other.length - one.length)[0]?.path
}
