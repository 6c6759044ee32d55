export type TextEncoding = 'utf-8' | 'utf-8-bom' | 'windows-1252'

/**
 * Windows-1252 where it differs from Latin-1 (0x80 to 0x9f), as far as the company's texts need it.
 * Source: https://encoding.spec.whatwg.org/index-windows-1252.txt
 */
const WINDOWS_1252: Readonly<Record<string, string>> = {
  '€': '\u0080',
  '…': '\u0085',
  '‘': '\u0091',
  '’': '\u0092',
  '“': '\u0093',
  '”': '\u0094',
  '–': '\u0096',
}

/** Text as the bytes of a file. */
export function* encodeText(texts: Iterable<string>, encoding: TextEncoding): Generator<Uint8Array> {
  if (encoding === 'utf-8-bom') yield Buffer.from('\uFEFF')
  for (const text of texts) yield encoding === 'windows-1252' ? windows1252(text) : Buffer.from(text)
}

function windows1252(text: string): Buffer {
  return Buffer.from(
    text.replace(/[€…‘’“”–]/g, (character) => WINDOWS_1252[character] ?? '?'),
    'latin1',
  )
}
