import { type CountedText, type Inferred, isMostly } from './counted-texts.ts'

const SEPARATORS = ['|', ';', ','] as const
/** Distinct texts from which a separator may be told from a sign in a sentence. */
const MIN_LISTS = 2
/** Characters and words of an item. */
const MAX_ITEM = { length: 40, words: 4 }

/** Lists that texts may be: those in brackets, and words with a sign between them that come back in other combinations. */
export function listsIn(texts: readonly CountedText[]): Inferred[] {
  if (isMostly(texts, (text) => /^\[.*\]$/s.test(text) && isFlat(text))) return [{ type: 'VARCHAR[]' }]
  if (texts.some(({ text }) => /^[[{(].*[\]})]$/s.test(text))) return []
  const separator = SEPARATORS.find((one) =>
    isSeparator(
      one,
      texts.map(({ text }) => text),
    ),
  )
  return separator === undefined ? [] : [{ type: 'VARCHAR[]', separators: [separator] }]
}

/** A list without objects or lists in it, as JSON or Python write it. */
function isFlat(text: string): boolean {
  return !/[{}()]/.test(text.replaceAll(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g, '')) && !text.slice(1).includes('[')
}

/**
 * Lists differ in length, and their items come back in other lists: those of sentences, of names in two parts, and of a place
 * with its country do not.
 */
function isSeparator(separator: string, texts: readonly string[]): boolean {
  const lists = texts.map((text) => text.split(separator).map((item) => item.trim()))
  const parted = lists.filter((list) => list.length > 1)
  if (parted.length < MIN_LISTS || parted.length < texts.length / 4) return false
  const items = lists.flat()
  // A comma between digits belongs to a number, and brackets to a more complex value than a list.
  const isPlain = (item: string) => !/[[\]{}"]/.test(item) && (separator !== ',' || /\p{L}/u.test(item))
  const isWordy = items.every(
    (item) =>
      item.length > 0 && item.length <= MAX_ITEM.length && item.split(/\s+/).length <= MAX_ITEM.words && isPlain(item),
  )
  if (!isWordy) return false
  const textsOf = new Map<string, number>()
  const placesOf = new Map<string, Set<number>>()
  for (const list of lists) {
    for (const item of new Set(list)) textsOf.set(item, (textsOf.get(item) ?? 0) + 1)
    for (const [place, item] of list.entries()) placesOf.set(item, (placesOf.get(item) ?? new Set()).add(place))
  }
  const isVaried =
    new Set(lists.map((list) => list.length)).size > 1 || [...placesOf.values()].some(({ size }) => size > 1)
  const recurring = items.filter((item) => (textsOf.get(item) ?? 0) > 1).length
  return isVaried && recurring >= items.length * 0.5
}
