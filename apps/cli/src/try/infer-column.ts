import { type CountedText, type Inferred, isMostly } from './counted-texts.ts'
import { datesIn, epochsIn, timesIn } from './infer-dates.ts'
import { listsIn } from './infer-lists.ts'
import { numbersIn } from './infer-numbers.ts'

/** Words for "no value" in many sources. */
export const NULL_WORDS: ReadonlySet<string> = new Set(
  String.raw`null n/a na nan none nil nat - -- ? \n #n/a unknown tba tbd`.split(' '),
)

/**
 * The types that a column of texts may have, the most telling one first, each with the parse options that it needs. Which of
 * them fit is decided on all of the texts. A column to which none of them fits is text.
 * @param name of the column in the contract, which may say what its numbers are
 */
export function candidatesOf(name: string, texts: readonly CountedText[]): Inferred[] {
  const isNull = ({ text }: CountedText) => NULL_WORDS.has(text.toLowerCase())
  const present = texts.filter((each) => !isNull(each))
  if (present.length === 0) return []
  // Null words that could also be values count as null only in a column of another type than text.
  const nulls = [...new Set(texts.filter(isNull).map(({ text }) => text))].sort()
  const found = [
    ...booleansIn(present),
    ...timesIn(present),
    ...datesIn(present),
    ...epochsIn(name, present),
    ...numbersIn(present),
    ...listsIn(present),
  ]
  return nulls.length === 0 ? found : found.map((inferred) => ({ ...inferred, nulls }))
}

function booleansIn(texts: readonly CountedText[]): Inferred[] {
  return isMostly(texts, (text) => /^(?:true|false|yes|no|t|f|y|n)$/i.test(text)) ? [{ type: 'BOOLEAN' }] : []
}

/** What is to be said about a column that stays text. */
export function noteOfText(texts: readonly CountedText[]): string | undefined {
  const isMost = (pattern: RegExp) => isMostly(texts, (text) => pattern.test(text))
  if (isMost(/^[[{(].*[\]})]$/s)) {
    if (isMostly(texts, isJson)) return 'JSON: `path` takes a value out, or models with json_extract_string'
    if (isMost(/^(?:\{\s*'|\[\s*[{(']|\(\s*')/)) return 'as Python prints it: `path` takes a value out'
    if (isMost(/^\{[^{}:]*\}$/)) return 'in braces: an array of PostgreSQL, which `logicalType: array` reads'
  }
  if (isMost(/^-?\d+ ?(?:h|hrs?|hours?|std)\.? ?\d+ ?(?:m|min|mins|minutes?)?\.?$|^P(?:\d|T)[\dDHMST.]*$/i))
    return 'hours and minutes: `extract` takes one of them, `(\\d+) ?h.*` the hours'
  if (isMost(/^\d+(?:[.,]\d+)? ?(?:-|–|to|bis) ?\d+(?:[.,]\d+)?$/))
    return 'ranges: `extract` takes one end, `(\\d+) ?-.*` the first'
  if (isMost(/^[-+]?\d[\d.,]* ?\p{L}[\p{L}.]*$/u))
    return 'numbers with different units: `extract` with a pattern takes those of one'
  return undefined
}

function isJson(text: string): boolean {
  try {
    return typeof JSON.parse(text) === 'object'
  } catch {
    return false
  }
}
