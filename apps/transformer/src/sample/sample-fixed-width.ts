import type { FileReading } from '@cinelake/pipeline'
import type { UnpackedFile } from '../read-csv/unpack-file.ts'
import { fixedWidthGrid } from '../read-fixed-width/read-fixed-width.ts'
import { asText, beginning } from './file-beginning.ts'
import type { FileSample, SampleContext } from './file-sample.ts'
import { fixedWidthsOf, isFilledUp } from './fixed-widths.ts'
import { guessLegacy } from './guess-legacy.ts'
import { sampleGrid } from './sample-grid.ts'

/** Bytes of the first lines, by which widths are found out. */
const LOOKED_AT = 4 * 1024 * 1024

/** Reads the first lines of a text whose widths are stated. @returns undefined for a file without a line */
export async function sampleFixedWidth(
  { name, file }: UnpackedFile,
  declared: FileReading,
  context: SampleContext,
): Promise<FileSample | undefined> {
  return await sampleGrid(
    {
      declared,
      format: 'text of fixed width',
      top: 0,
      gridOf: (columns, reading) => fixedWidthGrid({ name, file, reading, columns }),
    },
    context,
  )
}

/** What a text without a delimiter may be other than CSV with one column. */
export type FilledText = {
  /** How it is read, where its blanks tell the widths of its fields. */
  readonly read: Partial<FileReading> | undefined
  /** Its lines are filled up with blanks. */
  readonly isFilledUp: boolean
}

/** Looks for fields of fixed width in the first lines of a text. */
export async function filledText({ file }: UnpackedFile, { encoding }: FileReading): Promise<FilledText> {
  const start = await beginning(file, LOOKED_AT)
  const legacy = encoding === undefined ? guessLegacy(start.bytes) : undefined
  const { bytes } = asText(start.bytes, encoding ?? legacy)
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()
  // Old systems put a mark at the end of a text.
  const lines = (text.endsWith('\u001a') ? text.slice(0, -1) : text).split(/\r?\n/)
  if (!start.isWhole || lines.at(-1) === '') lines.pop()
  const filled = lines.filter((line) => line !== '')
  const widths = fixedWidthsOf(filled)
  if (widths === undefined) return { read: undefined, isFilledUp: isFilledUp(filled) }
  return {
    read: { format: 'fixed-width', ...(legacy === undefined ? {} : { encoding: legacy }), widths: [...widths] },
    isFilledUp: true,
  }
}
