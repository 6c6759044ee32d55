import { XmlProblem, XmlReader, type XmlEvents } from '@cinelake/json-rows'
import { xmlText } from '../read-xml/xml-text.ts'
import { PackedFileError } from '../refine/errors.ts'
import type { OfficePackage } from './office-package.ts'

/** A part of a workbook, with the name of the workbook for messages. */
export type Part = { readonly file: string; readonly package: OfficePackage; readonly part: string }

/** The text of a part in pieces. */
export function textOfPart({ file, package: parts, part }: Part, signal: AbortSignal): AsyncGenerator<string> {
  return xmlText({ name: `${file}/${part}`, encoding: undefined }, parts.bytes(part, signal))
}

/**
 * Reads a part of a workbook; after each piece there may be something to hand over.
 * @throws {PackedFileError} terminal: it is not well-formed
 */
export async function* readPart(part: Part, events: XmlEvents, signal: AbortSignal): AsyncGenerator<void> {
  // Programs write workbooks, not people: an attribute twice is no usual fault of theirs.
  const reader = new XmlReader(events, { checksAttributes: false })
  const told = (work: () => void) => {
    try {
      work()
    } catch (error) {
      if (!(error instanceof XmlProblem)) throw error
      throw new PackedFileError(`${part.file}/${part.part}`, 'the XML of a workbook', error.message)
    }
  }
  for await (const text of textOfPart(part, signal)) {
    told(() => reader.push(text))
    yield
  }
  told(() => reader.end())
  yield
}

/** The name of an element or attribute without its prefix: programs differ in it. */
export function localName(name: string): string {
  const colon = name.indexOf(':')
  return colon < 0 ? name : name.slice(colon + 1)
}
