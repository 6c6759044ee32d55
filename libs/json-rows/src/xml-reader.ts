import sax from 'sax'

/** Nesting of elements. Deeper nesting is a mistake, or an attack on the stack. */
const MAX_DEPTH = 128

/** Characters of a tag, a comment or a CDATA section: the parser holds each as a whole. */
const MAX_PIECE = 16 * 1024 * 1024
// The library's own limit is for streams of messages; a piece that is longer is an error, a text is passed on in parts.
Object.assign(sax, { MAX_BUFFER_LENGTH: MAX_PIECE })

/** `strictEntities`: the five entities of XML, none of HTML's. Missing in the library's types. */
const OPTIONS: sax.SAXOptions & { readonly strictEntities: boolean } = { strictEntities: true, position: true }

/** Without a prototype: `&constructor;` is no entity. */
const ENTITIES: Readonly<Record<string, string>> = Object.assign(Object.create(null) as Record<string, string>, {
  amp: '&',
  gt: '>',
  lt: '<',
  quot: '"',
  apos: "'",
})

/** Of a start tag whose syntax was checked. */
const ATTRIBUTE = /\s[^\s=]+\s*=\s*(?:"[^"]*"|'[^']*')/g

/** Why a text is not valid XML, as text without values. */
export class XmlProblem extends Error {}

/** What an XML text consists of, in its order. */
export type XmlEvents = {
  open(name: string, attributes: Readonly<Record<string, string>>): void
  /** Text or CDATA, possibly in several pieces. */
  text(piece: string): void
  /** Ends the element that was opened last. */
  close(): void
}

/**
 * Reads XML piece by piece. Only the five entities of XML are known; DTD definitions are ignored, so that nothing
 * expands.
 */
export class XmlReader {
  readonly #parser: sax.SAXParser
  /** The text from a position on: that of the latest tag, and of what is kept. */
  #text = ''
  #base = 0
  #keptFrom: number | undefined
  #depth = 0
  readonly #keepsText: boolean

  /** @param options `checksAttributes`: whether an attribute that is there twice is an error; it takes half of the time */
  constructor(events: XmlEvents, { checksAttributes = true } = {}) {
    this.#keepsText = checksAttributes
    this.#parser = sax.parser(true, OPTIONS)
    Object.assign(this.#parser, {
      ENTITIES,
      onopentag: ({ name, attributes }: sax.Tag) => {
        if (++this.#depth > MAX_DEPTH) throw this.problem(`more than ${MAX_DEPTH} elements within each other`)
        if (checksAttributes) this.#checkAttributes(attributes)
        events.open(name, attributes)
      },
      ontext: (piece: string) => events.text(piece),
      oncdata: (piece: string) => events.text(piece),
      onclosetag: () => {
        this.#depth -= 1
        events.close()
      },
      onerror: () => {
        // The parser's own message quotes its input.
        throw this.problem('something that is not well-formed')
      },
    })
  }

  /** The physical line that is being read, from 1. */
  get line(): number {
    return this.#parser.line + 1
  }

  /** Characters that have been read. */
  get position(): number {
    return this.#parser.position
  }

  /** Keeps the text from the tag on that was read last. */
  keep(): void {
    this.#keptFrom = this.#parser.startTagPosition - 1
  }

  /** The text that was kept, up to what has been read; it is kept no longer. */
  release(): string {
    const from = this.#keptFrom ?? this.position
    this.#keptFrom = undefined
    return this.#text.slice(from - this.#base, this.position - this.#base)
  }

  /** @throws {XmlProblem} */
  push(text: string): void {
    if (!this.#keepsText) {
      this.#parser.write(text)
      return
    }
    // Absent before the first tag.
    const tagFrom = (this.#parser.startTagPosition || 1) - 1
    const from = Math.min(this.#keptFrom ?? Infinity, tagFrom)
    // A tag does not begin so far back.
    const isFar = this.#keptFrom === undefined && this.position - from > MAX_PIECE
    const start = isFar ? this.position : Math.max(from, this.#base)
    this.#text = this.#text.slice(start - this.#base) + text
    this.#base = start
    this.#parser.write(text)
  }

  /** @throws {XmlProblem} the text is cut off */
  end(): void {
    this.#parser.close()
  }

  problem(what: string): XmlProblem {
    return new XmlProblem(`${what} in line ${this.line}`)
  }

  /** The parser keeps the first of several attributes of one name, without an error. */
  #checkAttributes(attributes: sax.Tag['attributes']): void {
    const count = Object.keys(attributes).length
    if (count === 0) return
    const tag = this.#text.slice(this.#parser.startTagPosition - this.#base, this.position - this.#base)
    if (count < (tag.match(ATTRIBUTE)?.length ?? 0)) throw this.problem('an element with an attribute twice')
  }
}
