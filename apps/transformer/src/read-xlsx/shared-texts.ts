import { XmlProblem } from '@cinelake/json-rows'
import { refineErrors } from '../refine/errors.ts'
import { localName, type Part, readPart } from './part-events.ts'

/** Characters of the texts that the cells of a workbook share: they are in memory. */
const MAX_CHARACTERS = 128 * 1024 * 1024
/** Texts that are kept as one, which takes much less memory. */
const BLOCK_TEXTS = 1024

/** Characters of one text: far more than the 32,767 that a cell may have. */
const MAX_TEXT = 16 * 1024 * 1024

/** @throws {XmlProblem} a text that no workbook has: to read on would take all the time there is */
export function checkText({ length }: string): void {
  if (length > MAX_TEXT) throw new XmlProblem(`a cell's text of more than ${MAX_TEXT} characters`)
}

/** The texts that the cells of a workbook share, by their number. */
export class SharedTexts {
  readonly #blocks: { readonly text: string; readonly ends: Uint32Array }[] = []
  #begun: string[] = []
  #characters = 0
  #count = 0

  /** @throws {REFINE_WORKBOOK_REFUSED} terminal: more text than memory is meant for */
  static async read(part: Part, signal: AbortSignal): Promise<SharedTexts> {
    const texts = new SharedTexts()
    let text = ''
    let isText = false
    let phonetic = 0
    const open: string[] = []
    const events = {
      open(name: string) {
        const local = localName(name)
        open.push(local)
        if (local === 'si') text = ''
        if (local === 'rPh') phonetic += 1
        isText = local === 't' && phonetic === 0
      },
      text(piece: string) {
        if (!isText) return
        text += piece
        checkText(text)
      },
      close() {
        const local = open.pop()
        isText = false
        if (local === 'rPh') phonetic -= 1
        if (local === 'si') texts.#add(unescaped(text))
      },
    }
    for await (const _ of readPart(part, events, signal)) {
      if (texts.#characters > MAX_CHARACTERS)
        throw refineErrors.REFINE_WORKBOOK_REFUSED(
          part.file,
          `at most ${MAX_CHARACTERS} characters of text that cells share`,
          'more',
          'have it sent as CSV or Parquet, or in parts',
        )
    }
    texts.#end()
    return texts
  }

  at(index: number): string | undefined {
    if (!(index >= 0 && index < this.#count)) return undefined
    const block = this.#blocks[Math.floor(index / BLOCK_TEXTS)]
    const within = index % BLOCK_TEXTS
    return block?.text.slice(within === 0 ? 0 : block.ends[within - 1], block.ends[within])
  }

  #add(text: string): void {
    this.#begun.push(text)
    this.#count += 1
    this.#characters += text.length
    if (this.#begun.length === BLOCK_TEXTS) this.#end()
  }

  #end(): void {
    const ends = new Uint32Array(this.#begun.length)
    let end = 0
    for (const [index, { length }] of this.#begun.entries()) ends[index] = end += length
    this.#blocks.push({ text: this.#begun.join(''), ends })
    this.#begun = []
  }
}

/** `_x000D_` stands for a character that XML does not have. Source: ECMA-376, part 1, 22.9.2.19 */
export function unescaped(text: string): string {
  if (!text.includes('_x')) return text
  return text.replaceAll(/_x([0-9A-Fa-f]{4})_/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
}
