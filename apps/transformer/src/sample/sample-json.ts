import { isObject, parseJson, type JsonValue } from '@cinelake/json-rows'
import type { CheckedColumn, FileReading } from '@cinelake/pipeline'
import { literal } from '@cinelake/sql'
import { open, stat } from 'node:fs/promises'
import type { UnpackedFile } from '../read-csv/unpack-file.ts'
import { readJson, readNdjson } from '../read-json/read-json.ts'
import { KIND, type Kind, type RecordFile } from '../read-records/record.ts'
import { fieldNames, MAX_DEPTH } from './field-names.ts'
import { type FileSample, type SampleContext, type SampledColumn, TRIED, triedColumn } from './file-sample.ts'
import { COLUMN, limited, type SampledRecords, sampleRecords, typeOfKinds } from './sample-records.ts'

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
    return isDocument ? readJson(of) : readNdjson(of)
  }
  const names = await fieldNames(valuesOf(limited(open([]), context.limit), context))
  if (names.length === 0) return undefined
  const sampled = await sampleObjects(names, open, declared.nulls, context)
  return {
    facts: [['written', isDocument ? `JSON, records at ${reading.records ?? '$'}` : 'JSON, an object a line']],
    read: records === undefined ? {} : { format: 'json', records },
    isInOrder: false,
    ...sampled,
  }
}

/** Makes records with these fields the table of the sample. @param ofOne see `listsAmong` */
export async function sampleObjects(
  names: readonly string[],
  open: (columns: readonly CheckedColumn[]) => RecordFile,
  nulls: readonly string[],
  { ofOne = false, ...context }: SampleContext & { readonly ofOne?: boolean },
): Promise<Omit<SampledRecords, 'kinds'> & { readonly columns: readonly SampledColumn[] }> {
  const first = await sampleRecords(names.map(columnOf), open, nulls, context)
  const lists = await listsAmong(first.kinds, context.session, { ofOne })
  const asked = names.map((one, index) => ({ ...columnOf(one), ...(lists.has(index) ? { type: 'VARCHAR[]' } : {}) }))
  const { kinds, ...sampled } = lists.size === 0 ? first : await sampleRecords(asked, open, nulls, context)
  const columns: SampledColumn[] = []
  for (const [index, name] of names.entries()) {
    const type = lists.has(index) ? { type: 'VARCHAR[]' } : await typeOfKinds(kinds[index], index, context.session)
    columns.push({ name, ...type })
  }
  return { ...sampled, columns }
}

const columnOf = (name: string): CheckedColumn => ({
  ...COLUMN,
  name,
  reading: { from: [name] },
})

/**
 * The columns of which every value is a list without objects and lists in it.
 * @param ofOne whether a text is a list of one where others are lists
 */
async function listsAmong(
  kinds: readonly ReadonlySet<Kind>[],
  session: SampleContext['session'],
  { ofOne = false } = {},
): Promise<Set<number>> {
  const mayBeIn = (kind: Kind) => kind === KIND.json || (ofOne && kind === KIND.text)
  const nested = kinds.flatMap((those, index) => (those.has(KIND.json) && [...those].every(mayBeIn) ? [index] : []))
  if (nested.length === 0) return new Set()
  const areLists = nested.map((index) => {
    const isOther = ofOne ? `substr(kinds, ${index + 1}, 1) = ${literal(KIND.text)} OR ` : ''
    return `bool_and(${isOther}regexp_full_match(${triedColumn(index)}, '\\[[^\\[\\]{}]*\\]')) AS c${index}`
  })
  const [found = {}] = await session.rows<Readonly<Record<string, boolean | null>>>(
    `SELECT ${areLists.join(', ')} FROM ${TRIED}`,
  )
  return new Set(nested.filter((index) => found[`c${index}`] === true))
}

/** The records as values; undefined for one that is none. */
async function* valuesOf(records: RecordFile, { signal }: SampleContext): AsyncGenerator<(JsonValue | undefined)[]> {
  for await (const batch of records.read(signal))
    yield batch.map(({ problem, raw }) => (problem === undefined ? parsed(raw()) : undefined))
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
