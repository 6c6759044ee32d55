/*
 * The records of a JSON document, found in its bytes without building the document: records are handed over one by one,
 * whatever the size of the file. Everything around them is kept and checked as JSON in the end.
 * Source: RFC 8259
 */

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const BACKSLASH = 0x5c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const LF = 0x0a

/** Bytes. More than a row of any table; a larger record is not kept, and rejected. */
export const MAX_JSON_BYTES = 16 * 1024 * 1024

/** Bytes beside the records that are kept to be checked. */
const MAX_AROUND_BYTES = 16 * 1024 * 1024

/** A record of a document: its bytes, or nothing of one that is too long. */
export type SplitRecord = {
  readonly bytes: Uint8Array | undefined
  /** From 1. */
  readonly line: number
}

/** Why a document is not one with records, without its values. */
export class DocumentProblem extends Error {
  readonly line: number
  constructor(message: string, line: number) {
    super(message)
    this.line = line
  }
}

/** Where the splitter is: around the records, or in their list between two of them, or in one. */
type State = 'around' | 'first' | 'next' | 'between' | 'in'

export class RecordSplitter {
  readonly #path: readonly string[]
  readonly #sink: (record: SplitRecord) => void
  #line = 1
  #state: State = 'around'
  /** Of the records: a list has many, an object is one. */
  #isList = false
  #hasRecords = false

  // Of what is around the records.
  #around = Buffer.alloc(4096)
  #aroundLength = 0
  /** The containers that are open, each with its latest name; the depth of the path that leads to it, or -1. */
  readonly #open: { readonly isObject: boolean; name: string; isName: boolean; readonly onPath: boolean }[] = []
  #inText = false
  #escaped = false
  #textStart = 0

  // Of the record.
  #pieces: Uint8Array[] = []
  #pieceBytes = 0
  #depth = 0
  #isScalar = false
  #recordLine = 1

  /** @param path names from the document to its records; none: the document itself */
  constructor(path: readonly string[], sink: (record: SplitRecord) => void) {
    this.#path = path
    this.#sink = sink
  }

  /** @throws {DocumentProblem} */
  push(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.length) {
      if (this.#state === 'in') at = this.#scanRecord(bytes, at)
      else if (this.#state === 'around') at = this.#scanAround(bytes, at)
      else at = this.#scanBetween(bytes, at)
    }
  }

  /** @throws {DocumentProblem} the document ends in the middle, is no JSON, or has no such records */
  end(): void {
    if (this.#state === 'in' && this.#isScalar && this.#open.length === 0) this.#endRecord(new Uint8Array(0))
    if (this.#state !== 'around' || this.#open.length > 0 || this.#inText)
      throw new DocumentProblem('a document that ends in the middle', this.#line)
    const text = this.#around.toString('utf8', 0, this.#aroundLength)
    if (text.trim() === '') throw new DocumentProblem('nothing', this.#line)
    try {
      JSON.parse(text)
    } catch {
      throw new DocumentProblem('a text that is no JSON around its records', this.#line)
    }
    if (this.#hasRecords) return
    const place = ['$', ...this.#path].join('.')
    throw new DocumentProblem(`no list of records at ${place}${namesOf(text)}`, 1)
  }

  #scanAround(bytes: Uint8Array, start: number): number {
    for (let at = start; at < bytes.length; at += 1) {
      const byte = bytes[at] ?? 0
      if (byte === LF) this.#line += 1
      if (this.#inText) {
        this.#keep(byte)
        if (this.#escaped) this.#escaped = false
        else if (byte === BACKSLASH) this.#escaped = true
        else if (byte === QUOTE) this.#endText()
        continue
      }
      if (isBlank(byte)) continue
      const inside = this.#open.at(-1)
      if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
        if (this.#isAtRecords()) {
          if (this.#hasRecords) throw new DocumentProblem('the list of records twice', this.#line)
          this.#hasRecords = true
          this.#isList = byte === OPEN_LIST
          if (this.#isList) {
            this.#state = 'first'
            return at + 1
          }
          this.#beginRecord()
          return at
        }
        const onPath = this.#open.length === 0 || (inside?.onPath === true && inside.name === this.#nameAt())
        this.#open.push({ isObject: byte === OPEN_OBJECT, name: '', isName: true, onPath })
      } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) {
        if (this.#open.pop() === undefined) throw this.#noJson()
      } else if (byte === COMMA && inside !== undefined) {
        inside.isName = true
      } else if (byte === COLON && inside !== undefined) {
        inside.isName = false
      } else if (byte === QUOTE) {
        this.#inText = true
        this.#textStart = this.#aroundLength
      }
      if (this.#open.length > 500)
        throw new DocumentProblem('more than 500 lists and objects in each other', this.#line)
      this.#keep(byte)
      if (byte === 0x6e && this.#isAtRecords()) this.#hasRecords = true
    }
    return bytes.length
  }

  /** Whether the value that begins here is that of the path. `null` there is an empty list. */
  #isAtRecords(): boolean {
    if (this.#open.length !== this.#path.length) return false
    const inside = this.#open.at(-1)
    if (inside === undefined) return this.#aroundLength === 0
    return inside.onPath && inside.isObject && !inside.isName && inside.name === this.#path.at(-1)
  }

  /** The name on the path in the innermost open container. */
  #nameAt(): string | undefined {
    return this.#path[this.#open.length - 1]
  }

  #endText(): void {
    this.#inText = false
    const inside = this.#open.at(-1)
    if (inside === undefined || !inside.isObject || !inside.isName || !inside.onPath) return
    try {
      inside.name = JSON.parse(this.#around.toString('utf8', this.#textStart, this.#aroundLength)) as string
    } catch {
      throw this.#noJson()
    }
  }

  #scanBetween(bytes: Uint8Array, start: number): number {
    for (let at = start; at < bytes.length; at += 1) {
      const byte = bytes[at] ?? 0
      if (byte === LF) this.#line += 1
      if (isBlank(byte)) continue
      if (byte === CLOSE_LIST) {
        if (this.#state === 'next') throw new DocumentProblem('a comma without a record after it', this.#line)
        this.#keepAll('[]')
        this.#state = 'around'
        return at + 1
      }
      if (this.#state === 'between') {
        if (byte !== COMMA) throw new DocumentProblem('records without a comma between them', this.#line)
        this.#state = 'next'
        continue
      }
      if (byte === COMMA || byte === COLON || byte === CLOSE_OBJECT)
        throw new DocumentProblem('a comma without a record before it', this.#line)
      this.#beginRecord()
      this.#isScalar = byte !== OPEN_LIST && byte !== OPEN_OBJECT
      return at
    }
    return bytes.length
  }

  #beginRecord(): void {
    this.#state = 'in'
    this.#isScalar = false
    this.#depth = 0
    this.#recordLine = this.#line
    this.#inText = false
    this.#escaped = false
  }

  #scanRecord(bytes: Uint8Array, start: number): number {
    const { length } = bytes
    let depth = this.#depth
    let inText = this.#inText
    let escaped = this.#escaped
    let at = start
    for (; at < length; at += 1) {
      const byte = bytes[at] ?? 0
      if (inText) {
        if (escaped) escaped = false
        else if (byte === BACKSLASH) escaped = true
        else if (byte === QUOTE) inText = false
        else if (byte === LF) this.#line += 1
      } else if (byte === QUOTE) {
        inText = true
      } else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
        depth += 1
      } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
        if (depth === 0) break
        depth -= 1
        if (depth === 0 && !this.#isScalar) {
          at += 1
          break
        }
      } else if (byte === COMMA) {
        if (depth === 0) break
      } else if (byte === LF) {
        this.#line += 1
      }
    }
    const isEnd = at < length || (depth === 0 && !inText && !this.#isScalar)
    this.#depth = depth
    this.#inText = inText
    this.#escaped = escaped
    const piece = bytes.subarray(start, at)
    if (isEnd) this.#endRecord(piece)
    else this.#addPiece(Uint8Array.from(piece))
    return at
  }

  #addPiece(piece: Uint8Array): void {
    this.#pieceBytes += piece.length
    if (this.#pieceBytes <= MAX_JSON_BYTES) this.#pieces.push(piece)
    else this.#pieces = []
  }

  #endRecord(last: Uint8Array): void {
    this.#addPiece(last)
    const [only, ...others] = this.#pieces
    const bytes =
      this.#pieceBytes > MAX_JSON_BYTES ? undefined : others.length === 0 ? only : Buffer.concat(this.#pieces)
    this.#pieces = []
    this.#pieceBytes = 0
    this.#inText = false
    this.#escaped = false
    if (this.#isList) this.#state = 'between'
    else {
      this.#state = 'around'
      this.#keepAll('{}')
    }
    this.#sink({ bytes, line: this.#recordLine })
  }

  /** What stands for the records in the text around them. */
  #keepAll(text: string): void {
    for (const byte of Buffer.from(text)) this.#keep(byte)
  }

  #keep(byte: number): void {
    if (this.#aroundLength === this.#around.length) {
      if (this.#aroundLength >= MAX_AROUND_BYTES)
        throw new DocumentProblem(`more than ${MAX_AROUND_BYTES} bytes beside its records`, this.#line)
      const larger = Buffer.alloc(2 * this.#around.length)
      this.#around.copy(larger)
      this.#around = larger
    }
    this.#around[this.#aroundLength++] = byte
  }

  #noJson(): DocumentProblem {
    return new DocumentProblem('a text that is no JSON', this.#line)
  }
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === LF || byte === 0x0d || byte === 0x09
}

/** Names at the top of a document: ", where it has `data`, `next`". */
function namesOf(text: string): string {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return ''
  const names = Object.keys(value).slice(0, 10)
  return names.length === 0 ? '' : `: the document has ${names.map((name) => `\`${name}\``).join(', ')}`
}
