import type { FileHandle } from 'node:fs/promises'
import { constants, crc32, createDeflateRaw, type DeflateRaw } from 'node:zlib'
import { once } from 'node:events'
import { ConfigError } from '@cinelake/core'

/*
 * A workbook with the rows of one table or query, written as a stream: memory holds at most one batch. The libraries on npm either
 * keep the workbook in memory or have not been maintained for years, and only a small part of the format is needed.
 * Source: ECMA-376, parts 1 (SpreadsheetML) and 2 (packages); PKWARE's APPNOTE.TXT, 6.3.10 (ZIP)
 */

/**
 * Rows of a sheet, including its header; then the next one begins. Source: support.microsoft.com, "Excel specifications
 * and limits"
 */
export const SHEET_ROWS = 1_048_576
/** UTF-16 units of a cell's text. Source: as above */
export const CELL_CHARACTERS = 32_767
/** Digits of a spreadsheet's numbers; longer ones are written as text. */
const EXACT_DIGITS = 15

export type XlsxCell =
  | { readonly kind: 'empty' }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'boolean'; readonly value: boolean }
  /** A binary double, which is what a spreadsheet's number is: every digit is kept. */
  | { readonly kind: 'double'; readonly text: string }
  /** `yyyy-mm-dd`, or with a time of UTC. */
  | { readonly kind: 'date' | 'instant'; readonly text: string }

type XlsxOptions = {
  /** Name of the sheet; of further ones with a number behind it. Default: `Rows`. */
  readonly sheet?: string
}

/** Writes the workbook into a file that was opened to write. */
export class XlsxWriter {
  readonly #zip: ZipWriter
  readonly #columns: readonly string[]
  readonly #name: string
  #sheetCount = 0
  #rowCount = 0
  #sheet: ZipEntry | undefined

  constructor(file: FileHandle, columns: readonly string[], { sheet = 'Rows' }: XlsxOptions = {}) {
    this.#zip = new ZipWriter(file)
    this.#columns = columns
    this.#name = sheet
  }

  /** @throws {ConfigError} terminal: a text is longer than a cell may be */
  async add(rows: readonly (readonly XlsxCell[])[]): Promise<void> {
    if (this.#sheet === undefined) await this.#begin()
    let text = ''
    for (const row of rows) {
      if (this.#rowCount === SHEET_ROWS) {
        await this.#sheet?.write(text)
        text = ''
        await this.#begin()
      }
      text += this.#row(row)
    }
    await this.#sheet?.write(text)
  }

  async end(): Promise<void> {
    if (this.#sheet === undefined) await this.#begin()
    await this.#endSheet()
    const sheets = Array.from({ length: this.#sheetCount }, (_, index) => index + 1)
    for (const [name, text] of parts(sheets, this.#name)) {
      const entry = await this.#zip.begin(name)
      await entry.write(text)
      await entry.end()
    }
    await this.#zip.end()
  }

  async #begin(): Promise<void> {
    await this.#endSheet()
    this.#sheetCount += 1
    this.#rowCount = 0
    this.#sheet = await this.#zip.begin(`xl/worksheets/sheet${this.#sheetCount}.xml`)
    const head = this.#row(this.#columns.map((text) => ({ kind: 'text', text })))
    await this.#sheet.write(`${XML}<worksheet xmlns="${MAIN}"><sheetData>${head}`)
  }

  async #endSheet(): Promise<void> {
    await this.#sheet?.write('</sheetData></worksheet>')
    await this.#sheet?.end()
  }

  #row(cells: readonly XlsxCell[]): string {
    this.#rowCount += 1
    return `<row r="${this.#rowCount}">${cells.map((cell, index) => this.#cell(cell, index)).join('')}</row>`
  }

  #cell(cell: XlsxCell, index: number): string {
    const place = `${columnLetters(index)}${this.#rowCount}`
    switch (cell.kind) {
      case 'empty':
        return ''
      case 'boolean':
        return `<c r="${place}" t="b"><v>${cell.value ? 1 : 0}</v></c>`
      case 'number':
        if (isExact(cell.text)) return `<c r="${place}"><v>${cell.text}</v></c>`
        return this.#text(place, cell.text, index)
      case 'double':
        if (isHeld(cell.text)) return `<c r="${place}"><v>${cell.text}</v></c>`
        return this.#text(place, cell.text, index)
      case 'date':
      case 'instant': {
        const serial = serialOf(cell.text)
        if (serial === undefined) return this.#text(place, cell.text, index)
        return `<c r="${place}" s="${cell.kind === 'date' ? 1 : 2}"><v>${serial}</v></c>`
      }
      default:
        return this.#text(place, cell.text, index)
    }
  }

  #text(place: string, text: string, index: number): string {
    if (text.length > CELL_CHARACTERS) {
      const where = `row ${this.#rowCount}, column ${this.#columns[index] ?? ''}`
      throw new ConfigError('the rows do not fit a workbook', [
        `${where}: expected at most ${CELL_CHARACTERS} characters in a cell, got ${text.length}; choose CSV or Parquet, or leave the column out`,
      ])
    }
    return `<c r="${place}" t="inlineStr"><is><t xml:space="preserve">${escaped(text)}</t></is></c>`
  }
}

/** 0 → `A`, 25 → `Z`, 26 → `AA` */
function columnLetters(index: number): string {
  const letter = String.fromCharCode(65 + (index % 26))
  return index < 26 ? letter : `${columnLetters(Math.floor(index / 26) - 1)}${letter}`
}

function isExact(text: string): boolean {
  const digits = text
    .replace(/[eE].*$/, '')
    .replaceAll(/\D/g, '')
    .replace(/^0+/, '')
  return /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text) && digits.length <= EXACT_DIGITS
}

/** Largest number that may be typed into a cell, and the smallest. Source: support.microsoft.com, as above */
const LARGEST_NUMBER = 9.99999999999999e307
const SMALLEST_NUMBER = 2.2251e-308

function isHeld(text: string): boolean {
  const size = Math.abs(Number(text))
  return size === 0 || (size >= SMALLEST_NUMBER && size <= LARGEST_NUMBER)
}

/** More digits of a second than a spreadsheet's time has: three. */
const FINER_THAN_MILLISECONDS = /\.\d{3}\d*[1-9]\d*(?!\d)/

/** Days since 1899-12-30, from 1900-03-01 on: before that, spreadsheets count a day that did not exist. */
function serialOf(text: string): number | undefined {
  if (FINER_THAN_MILLISECONDS.test(text)) return undefined
  const milliseconds = Date.parse(
    text.length === 10 ? `${text}T00:00:00Z` : /Z$|[+-]\d\d:\d\d$/.test(text) ? text : `${text}Z`,
  )
  const serial = milliseconds / 86_400_000 + 25_569
  return serial >= 61 && serial < 2_958_466 ? serial : undefined
}

function escaped(text: string): string {
  return (
    text
      .toWellFormed()
      // A text that looks like an escape would be read as one. Source: ECMA-376, part 1, 22.9.2.19 (ST_Xstring)
      .replaceAll(/_(?=x[0-9A-Fa-f]{4}_)/g, '_x005F_')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('\r', '&#13;')
      // XML excludes these characters; spreadsheets escape them like this.
      // oxlint-disable-next-line no-control-regex
      .replaceAll(/[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]/g, (character) => {
        return `_x${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}_`
      })
  )
}

const XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
const MAIN = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main'
const RELATIONS = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships'
const PACKAGE = 'http://schemas.openxmlformats.org/package/2006'
const TYPE = 'application/vnd.openxmlformats-officedocument.spreadsheetml'

/** The parts of a workbook other than its sheets. */
function parts(sheets: readonly number[], sheetName: string): readonly (readonly [name: string, text: string])[] {
  const overrides = sheets.map(
    (sheet) => `<Override PartName="/xl/worksheets/sheet${sheet}.xml" ContentType="${TYPE}.worksheet+xml"/>`,
  )
  const named = sheets.map(
    (sheet) =>
      `<sheet name="${escaped(sheetName)}${sheet === 1 ? '' : ` ${sheet}`}" sheetId="${sheet}" r:id="rId${sheet}"/>`,
  )
  const related = sheets.map(
    (sheet) => `<Relationship Id="rId${sheet}" Type="${RELATIONS}/worksheet" Target="worksheets/sheet${sheet}.xml"/>`,
  )
  return [
    [
      'xl/workbook.xml',
      `${XML}<workbook xmlns="${MAIN}" xmlns:r="${RELATIONS}"><sheets>${named.join('')}</sheets></workbook>`,
    ],
    [
      'xl/_rels/workbook.xml.rels',
      `${XML}<Relationships xmlns="${PACKAGE}/relationships">${related.join('')}<Relationship Id="styles" Type="${RELATIONS}/styles" Target="styles.xml"/></Relationships>`,
    ],
    [
      'xl/styles.xml',
      `${XML}<styleSheet xmlns="${MAIN}"><numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/><numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/></numFmts>` +
        '<fonts count="1"><font/></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>' +
        '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="3"><xf xfId="0"/>' +
        '<xf xfId="0" numFmtId="164" applyNumberFormat="1"/><xf xfId="0" numFmtId="165" applyNumberFormat="1"/></cellXfs></styleSheet>',
    ],
    [
      '_rels/.rels',
      `${XML}<Relationships xmlns="${PACKAGE}/relationships"><Relationship Id="rId1" Type="${RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
    ],
    [
      '[Content_Types].xml',
      `${XML}<Types xmlns="${PACKAGE}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>` +
        `<Override PartName="/xl/workbook.xml" ContentType="${TYPE}.sheet.main+xml"/><Override PartName="/xl/styles.xml" ContentType="${TYPE}.styles+xml"/>${overrides.join('')}</Types>`,
    ],
  ]
}

type Written = {
  readonly name: string
  readonly offset: number
  readonly crc: number
  readonly compressed: number
  readonly size: number
}

/** One file of the archive, while it is written. */
type ZipEntry = { readonly write: (text: string) => Promise<void>; readonly end: () => Promise<void> }

/**
 * Sizes and checksums follow each file (bit 3), names are UTF-8 (bit 11); deflated; and the time, always 1980-01-01, so that the
 * same rows make the same file.
 */
const METHOD = [
  [0x0808, 2],
  [8, 2],
  [0, 2],
  [0x21, 2],
] as const
/** Bytes. A larger archive needs another format (ZIP64). */
const LARGEST = 0xff_ff_ff_ff

/** Numbers one after the other, lowest byte first; fields wider than 4 bytes are zero. */
function fields(...all: readonly (readonly [value: number, bytes: number])[]): Buffer {
  return Buffer.concat(
    all.map(([value, bytes]) => {
      const field = Buffer.alloc(bytes)
      if (bytes <= 4) field.writeUIntLE(value, 0, bytes)
      return field
    }),
  )
}

class ZipWriter {
  readonly #file: FileHandle
  readonly #written: Written[] = []
  #offset = 0

  constructor(file: FileHandle) {
    this.#file = file
  }

  async begin(name: string): Promise<ZipEntry> {
    const offset = this.#offset
    const head = fields([0x04_03_4b_50, 4], [20, 2], ...METHOD, [0, 12], [Buffer.byteLength(name), 2], [0, 2])
    await this.#append(Buffer.concat([head, Buffer.from(name)]))
    const start = this.#offset
    const deflate: DeflateRaw = createDeflateRaw({ level: constants.Z_BEST_SPEED })
    const copied = (async () => {
      for await (const chunk of deflate) await this.#append(chunk as Buffer)
    })()
    // Awaited at the end; until then a failure is thrown by the next write.
    copied.catch(() => {})
    let crc = 0
    let size = 0
    return {
      write: async (text) => {
        const bytes = Buffer.from(text)
        crc = crc32(bytes, crc)
        size += bytes.length
        if (!deflate.write(bytes)) await Promise.race([once(deflate, 'drain'), copied])
      },
      end: async () => {
        deflate.end()
        await copied
        const compressed = this.#offset - start
        if (Math.max(size, this.#offset) > LARGEST) {
          throw new ConfigError('the rows do not fit a workbook', ['expected less than 4 GiB; choose CSV or Parquet'])
        }
        await this.#append(fields([0x08_07_4b_50, 4], [crc, 4], [compressed, 4], [size, 4]))
        this.#written.push({ name, offset, crc, compressed, size })
      },
    }
  }

  async end(): Promise<void> {
    const start = this.#offset
    for (const { name, offset, crc, compressed, size } of this.#written) {
      const sizes = [
        [crc, 4],
        [compressed, 4],
        [size, 4],
        [Buffer.byteLength(name), 2],
      ] as const
      const entry = fields([0x02_01_4b_50, 4], [20, 2], [20, 2], ...METHOD, ...sizes, [0, 12], [offset, 4])
      await this.#append(Buffer.concat([entry, Buffer.from(name)]))
    }
    const count = this.#written.length
    const size = this.#offset - start
    await this.#append(fields([0x06_05_4b_50, 4], [0, 4], [count, 2], [count, 2], [size, 4], [start, 4], [0, 2]))
  }

  async #append(bytes: Buffer): Promise<void> {
    await this.#file.writeFile(bytes)
    this.#offset += bytes.length
  }
}
