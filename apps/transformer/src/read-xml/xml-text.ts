import { createTranscoder, guessEncoding, InvalidBytes, Utf8Check, type Encoding } from '../read-csv/text-encoding.ts'
import { FileUnreadableError } from '../refine/errors.ts'

/**
 * Stands for bytes that the encoding of a text does not have: a character that XML does not have either. Source: XML 1.0,
 * 2.2
 */
export const DAMAGE = '\uffff'

/** Bytes in which the declaration of an encoding ends. */
const DECLARATION_BYTES = 1024

/** Encodings for which the runtime has other tables than the standard: some of their characters would become others. */
const OTHER_TABLES = new Set(['euc-kr', 'big5'])

type XmlFile = { readonly name: string; readonly encoding: Encoding | undefined }

/**
 * The text of XML in pieces. Its encoding is the declared one, or that of its byte order mark, of its own declaration, or
 * UTF-8; bytes that are invalid in it are `DAMAGE`.
 * @throws {FileUnreadableError} terminal: an encoding that is not known, or bytes that are invalid in UTF-16
 */
export async function* xmlText(
  { name, encoding: declared }: XmlFile,
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<string> {
  let decode: ((chunk: Uint8Array, isLast: boolean) => string) | undefined
  let head: Uint8Array = new Uint8Array(0)
  for await (const chunk of bytes) {
    if (decode !== undefined) {
      yield decode(chunk, false)
      continue
    }
    head = Buffer.concat([head, chunk])
    if (head.length < DECLARATION_BYTES) continue
    decode = decoderOf(name, head, declared)
    yield decode(head, false)
  }
  if (decode === undefined) yield decoderOf(name, head, declared)(head, true)
  else yield decode(new Uint8Array(0), true)
}

function decoderOf(name: string, head: Uint8Array, declared: Encoding | undefined) {
  const guess = guessEncoding(head, declared)
  const encoding = guess.isCertain ? guess.encoding : (ownEncoding(name, head) ?? guess.encoding)
  const decoder = new TextDecoder('utf-8')
  const inUtf8 = encoding === 'utf-8' ? undefined : transcoded(name, encoding, guess.markLength)
  const check = new Utf8Check()
  let { markLength } = guess
  // Only encodings of Unicode have this character in a text that is sound.
  let isDamage = !/^(?:utf-|iso-8859-1$)/.test(encoding)
  return (chunk: Uint8Array, isLast: boolean): string => {
    const content = chunk.subarray(markLength)
    markLength = 0
    if (inUtf8 === undefined) {
      check.push(content)
      if (isLast) check.end()
      isDamage = check.invalidAt !== undefined
    }
    const text = decoder.decode(inUtf8?.(content, isLast) ?? content, { stream: !isLast })
    return isDamage ? text.replaceAll('\ufffd', DAMAGE) : text
  }
}

function transcoded(name: string, encoding: Encoding, markLength: number) {
  const transcoder = createTranscoder(encoding, markLength)
  return (content: Uint8Array, isLast: boolean): Uint8Array => {
    try {
      return Buffer.concat([transcoder.push(content), ...(isLast ? [transcoder.end()] : [])])
    } catch (error) {
      if (!(error instanceof InvalidBytes)) throw error
      throw new FileUnreadableError(name, { byte: error.offset }, `text in ${encoding}`, 'a byte that is none')
    }
  }
}

/** The encoding that a text says of itself; it is ASCII in every one that is possible here. Source: XML 1.0, appendix F */
function ownEncoding(name: string, head: Uint8Array): Encoding | undefined {
  const start = Buffer.from(head.subarray(0, DECLARATION_BYTES)).toString('latin1')
  const told = /^<\?xml[^>]*\sencoding\s*=\s*["']([\w.:-]+)["']/.exec(start)?.[1]
  if (told === undefined) return undefined
  const encoding = encodingCalled(told)
  // A text that says so in ASCII is not in it.
  if (encoding?.startsWith('utf-16') === true) return undefined
  if (encoding !== undefined && !OTHER_TABLES.has(encoding)) return encoding
  const expected = 'an encoding of the WHATWG standard that can be read exactly'
  throw new FileUnreadableError(name, { line: 1 }, expected, 'another one in its declaration')
}

function encodingCalled(label: string): Encoding | undefined {
  try {
    return new TextDecoder(label).encoding
  } catch {
    return undefined
  }
}
