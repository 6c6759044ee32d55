import { XmlProblem, XmlReader } from '@cinelake/json-rows'
import type { FileReading } from '@cinelake/pipeline'
import type { UnpackedFile } from '../read-csv/unpack-file.ts'
import { bytesOf } from '../read-records/read-chunks.ts'
import { readXml, xmlElements } from '../read-xml/read-xml.ts'
import { xmlText } from '../read-xml/xml-text.ts'
import { fieldNames } from './field-names.ts'
import type { FileSample, SampleContext } from './file-sample.ts'
import { sampleObjects } from './sample-json.ts'

/** Characters of a document that are looked at for the place of its records. */
const LOOKED_AT = 8 * 1024 * 1024
/** Elements around the records, at most. */
const MAX_AROUND = 4

/**
 * Reads the first records of an XML document. Its records are the elements that are there most often next to each other.
 * @returns undefined for a document without a record
 * @throws {FileUnreadableError} terminal: it is not well-formed
 */
export async function sampleXml(
  { name, file }: UnpackedFile,
  declared: FileReading,
  context: SampleContext,
): Promise<FileSample | undefined> {
  const records = declared.records ?? (await recordsIn({ name, file, declared }, context))
  const reading: FileReading = { ...declared, format: 'xml', records }
  const names = await fieldNames(valuesOf(xmlElements({ name, file, reading }, context.signal), context.limit))
  if (names.length === 0) return undefined
  const sampled = await sampleObjects(
    names,
    (columns) => readXml({ name, file, reading, columns }),
    declared.nulls,
    // One element is a list of one where others are there several times.
    { ...context, ofOne: true },
  )
  return {
    facts: [['written', `XML, records at ${records}`]],
    read: { format: 'xml', records },
    isInOrder: false,
    ...sampled,
  }
}

async function* valuesOf(elements: ReturnType<typeof xmlElements>, limit: number) {
  let left = limit
  for await (const batch of elements) {
    yield batch.slice(0, left).map(({ value }) => value)
    left -= batch.length
    if (left <= 0) return
  }
}

/** An element of a document by its path, whichever parent it has. */
type Found = {
  readonly path: readonly string[]
  /** Elements of one parent, at most. */
  siblings: number
  hasFields: boolean
}

/** Where the records of a document seem to be. */
async function recordsIn(
  { name, file, declared }: { readonly name: string; readonly file: string; readonly declared: FileReading },
  { signal }: SampleContext,
): Promise<string> {
  const elements = await elementsIn(xmlText({ name, encoding: declared.encoding }, bytesOf(file, 0, signal)))
  // What is repeated within a record is no record of its own.
  const repeated = elements
    .filter(({ siblings, hasFields }) => siblings > 1 && hasFields)
    .filter(({ path }, _, all) => !all.some((other) => isWithin(path, other.path)))
    .toSorted((one, other) => other.siblings - one.siblings || one.path.length - other.path.length)
  const inRoot = elements.filter(({ path }) => path.length === 2)
  const only = inRoot.length === 1 && inRoot[0]?.hasFields === true ? inRoot[0] : undefined
  const found = repeated[0] ?? only
  return found === undefined ? '$' : pathText(found.path)
}

function isWithin(path: readonly string[], other: readonly string[]): boolean {
  return path.length > other.length && other.every((name, index) => path[index] === name)
}

function pathText(path: readonly string[]): string {
  return path.reduce(
    (text, name) => (/^[\p{L}_][\p{L}\p{N}_-]*$/u.test(name) ? `${text}.${name}` : `${text}['${name}']`),
    '$',
  )
}

async function elementsIn(text: AsyncIterable<string>): Promise<Found[]> {
  const found = new Map<string, Found>()
  const open: { readonly element: Found | undefined; readonly counts: Map<string, number> }[] = []
  const reader = new XmlReader(
    {
      open(name, attributes) {
        const parent = open.at(-1)
        if (parent?.element !== undefined) parent.element.hasFields = true
        const path = [...(parent?.element?.path ?? []), name]
        const isNear = open.length <= MAX_AROUND && (parent === undefined || parent.element !== undefined)
        const element = isNear ? elementAt(found, path) : undefined
        const count = (parent?.counts.get(name) ?? 0) + 1
        parent?.counts.set(name, count)
        if (element !== undefined) {
          element.siblings = Math.max(element.siblings, count)
          element.hasFields ||= Object.keys(attributes).some((attribute) => !/^xmlns(?::|$)/.test(attribute))
        }
        open.push({ element, counts: new Map() })
      },
      text() {},
      close: () => open.pop(),
    },
    { checksAttributes: false },
  )
  let left = LOOKED_AT
  try {
    for await (const piece of text) {
      reader.push(piece)
      left -= piece.length
      if (left <= 0) break
    }
  } catch (error) {
    // Where it is damaged is for its reader to say.
    if (!(error instanceof XmlProblem)) throw error
  }
  return [...found.values()]
}

/** Paths that are told apart: a document has a few, one whose names are values has any number. */
const MAX_PATHS = 10_000

function elementAt(found: Map<string, Found>, path: readonly string[]): Found | undefined {
  const key = path.join('/')
  const known = found.get(key)
  if (known !== undefined || found.size >= MAX_PATHS) return known
  const made = { path, siblings: 0, hasFields: false }
  found.set(key, made)
  return made
}
