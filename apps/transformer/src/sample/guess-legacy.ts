import { isUtf8 } from 'node:buffer'
import { guessEncoding, Utf8Census } from '../read-csv/text-encoding.ts'

/** Encodings of one byte a character, by the letters that they are for. */
const ALPHABETS: readonly (readonly [letters: RegExp, encodings: readonly string[]])[] = [
  [/\p{Script=Cyrillic}/u, ['windows-1251', 'koi8-r', 'ibm866', 'iso-8859-5']],
  [/\p{Script=Greek}/u, ['windows-1253']],
  [/\p{Script=Hebrew}/u, ['windows-1255']],
  [/\p{Script=Arabic}/u, ['windows-1256']],
  [/\p{Script=Thai}/u, ['windows-874']],
]
/** Encodings of several bytes a character. */
const WIDE = ['shift_jis', 'euc-jp', 'gb18030'] as const

/** Share of the odd bytes that stand beside another one, from which the text is of another alphabet than the Latin one. */
const IN_WORDS = 0.6
/** Share of the decoded characters that are letters of the alphabet. */
const LETTERS = 0.8

/**
 * The encoding that text without a declared one seems to have, where bytes are invalid in UTF-8; undefined where the one that
 * is found out from the file anyway is as likely.
 */
export function guessLegacy(bytes: Uint8Array): string | undefined {
  const { encoding, isCertain } = guessEncoding(bytes)
  if (encoding !== 'utf-8' || isCertain || isUtf8(bytes)) return undefined
  const census = new Utf8Census()
  census.push(bytes)
  if (census.oddCount === 0 || census.isMostlyUtf8) return undefined
  const runs = oddRuns(bytes)
  const oddCount = runs.reduce((sum, run) => sum + run.length, 0)
  const inWords = runs.filter(({ length }) => length > 1).reduce((sum, run) => sum + run.length, 0)
  if (inWords < oddCount * IN_WORDS) return centralEuropean(bytes)
  const wide = WIDE.find((one) => isText(bytes, one, /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}ー、。]/u))
  const alphabet = bestAlphabet(Buffer.concat(runs.map((run) => Buffer.concat([run, Buffer.from(' ')]))))
  if (wide !== undefined && (alphabet === undefined || alphabet.score < 0.95)) return wide
  return alphabet?.encoding
}

/** The runs of bytes beyond ASCII. */
function oddRuns(bytes: Uint8Array): Uint8Array[] {
  const runs: Uint8Array[] = []
  for (let at = 0; at < bytes.length && runs.length < 5000; at++) {
    if ((bytes[at] ?? 0) < 0x80) continue
    const start = at
    while ((bytes[at] ?? 0) >= 0x80) at++
    runs.push(bytes.subarray(start, at))
  }
  return runs
}

function decoded(bytes: Uint8Array, encoding: string): string | undefined {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** Whether all odd characters of a text are of a kind, beside a few signs. */
function isText(bytes: Uint8Array, encoding: string, letter: RegExp): boolean {
  // The last character may be cut.
  const text = decoded(bytes, encoding) ?? decoded(bytes.subarray(0, -1), encoding) ?? ''
  const odd = Array.from(text).filter((character) => character > '\u{7f}')
  return odd.length > 0 && odd.filter((character) => letter.test(character)).length >= odd.length * LETTERS
}

/** The encoding under which most are letters of one alphabet, and capital ones stand at the begin of words. */
function bestAlphabet(runs: Uint8Array): { readonly encoding: string; readonly score: number } | undefined {
  const judged = ALPHABETS.flatMap(([letter, encodings]) =>
    encodings.map((encoding) => {
      const words = (decoded(runs, encoding) ?? '').split(' ').filter((word) => word !== '')
      const characters = words.flatMap((word) => Array.from(word))
      const letters = characters.filter((character) => letter.test(character)).length
      const misplaced = words.filter((word) => /\p{Ll}\p{Lu}/u.test(word)).length
      const score = letters / Math.max(1, characters.length) - misplaced / Math.max(1, words.length)
      return { encoding, score: score - scarce(words.join('')) }
    }),
  )
  const best = judged.reduce((one, other) => (other.score > one.score ? other : one))
  return best.score >= LETTERS ? best : undefined
}

/** Letters that other languages of the alphabet have, and few words of the commonest: a tie goes to the text without them. */
function scarce(text: string): number {
  const count = text.match(/[ЁЂЃѓЉЊЌЋЏђљњќћџЎўЈҐЄЇѕЅєїІіґј№]/gu)?.length ?? 0
  return (0.2 * count) / Math.max(1, text.length)
}

/** Letters of Polish, Czech and Hungarian where windows-1252 has signs that do not stand in words. */
function centralEuropean(bytes: Uint8Array): string | undefined {
  const western = decoded(bytes, 'windows-1252') ?? ''
  const signs = western.match(/(?<=\p{L})[³¹¿¾¼º£¥ª¯]|[³¹¿¾¼£¥](?=\p{Ll})/gu)?.length ?? 0
  const odd = western.match(/[\u{80}-\u{ffff}]/gu)?.length ?? 0
  return signs > 0 && signs * 10 >= odd ? 'windows-1250' : undefined
}
