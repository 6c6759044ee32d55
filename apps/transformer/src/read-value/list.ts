import type { ColumnReading } from '@cinelake/pipeline'
import { literal } from '@cinelake/sql'
import { isNested, jsonItems } from './path.ts'
import { type Sql, bound, trimmed, withValues } from './text.ts'

/** Default separators of lists. */
const SEPARATORS = ['|', ';', ',']

const DOUBLE_QUOTED = String.raw`"(?:[^"\\]|\\.)*"`
/** Python's quotes. Of its escapes those of letters (`\\n`, `\\x41`) are not understood: such a text is no list. */
const QUOTED = String.raw`'(?:[^'\\]|\\['"\\])*'|"(?:[^"\\]|\\['"\\])*"`
/** What lists hold without quotes: numbers and the words of JSON and Python. */
const WORD = String.raw`-?\d[\d.eE+-]*|None|True|False|null|true|false|NULL`
/** Numbers that are none: JSON has no word for them, and as a text each would be another value. */
const NO_NUMBER = String.raw`[+-]?(?:nan|NaN|NAN|inf|Infinity)`
/** An unquoted text within brackets: `[a b, c]`, as Java prints it. */
const BARE = String.raw`[^\[\](){}'",\s][^\[\](){}'",]*`
/** An unquoted text within braces, as PostgreSQL prints it. */
const IN_BRACES = String.raw`[^{}",\\\s](?:[^{}",\\]|\\.)*`

function listOf(open: string, item: string, close: string, least: 0 | 2 = 0): string {
  const more = String.raw`(?:\s*,\s*(?:${item}))`
  const items = least === 2 ? String.raw`(?:${item})${more}+\s*` : String.raw`(?:(?:${item})${more}*\s*,?\s*)?`
  return String.raw`${open}\s*${items}${close}`
}

const JSON_FLAT = listOf(String.raw`\[`, String.raw`${DOUBLE_QUOTED}|-?\d[\d.eE+-]*|true|false|null`, String.raw`\]`)
const python = (word: string) =>
  ['[]', '()'].map(([open = '', close = '']) => listOf(`\\${open}`, `${QUOTED}|${word}`, `\\${close}`)).join('|')
const PYTHON = python(WORD)
const WITHOUT_NUMBER = [
  python(`${NO_NUMBER}|${WORD}`),
  String.raw`\[(?:[^\[\](){}'"]*,)?\s*${NO_NUMBER}\s*(?:,[^\[\](){}'"]*)?\]`,
].join('|')
/** What begins with a bracket in a bracket, or a quote, and ends with a bracket, is no text to be split at separators. */
const NESTED = String.raw`(?s)[\[({]\s*[\[({'"].*[\])}]`

/**
 * The items of a list from text, each in its place: of JSON, Python, PostgreSQL (`{a,"b c",NULL}`), or split at the
 * first of the separators that occurs in it. Split items are trimmed, and an empty one is NULL, as an empty field is; a
 * quoted item stays as it is. NULL for objects, for lists with NaN or infinity, and, where no separators are declared, for
 * brackets that do not form a list.
 */
export function itemsOf(text: Sql, reading: ColumnReading): Sql {
  const isDeclared = reading.separators !== undefined
  const separators = reading.separators ?? SEPARATORS
  const splits = separators.map(
    (separator) => `WHEN contains(${text}, ${literal(separator)}) THEN string_split(${text}, ${literal(separator)})`,
  )
  const split = `list_transform(CASE ${splits.join(' ')} ELSE [${text}] END, lambda item: ${trimmed('item')})`
  // With declared separators a single text in brackets is that text: `[Verse]`.
  const least = isDeclared ? 2 : 0
  const braces = listOf(String.raw`\{`, `${DOUBLE_QUOTED}|${IN_BRACES}`, String.raw`\}`, least)
  const others = isDeclared ? '' : `WHEN starts_with(${text}, '[') OR starts_with(${text}, '{') THEN NULL `
  const items = `CASE WHEN ${text} IS NULL THEN NULL WHEN NOT (starts_with(${text}, '[') OR starts_with(${text}, '{') OR starts_with(${text}, '(')) THEN ${split} \
WHEN contains(${text}, '\\u0000') THEN NULL \
WHEN regexp_full_match(${text}, ${literal(JSON_FLAT)}) AND json_valid(${text}) THEN ${quotedItems(text, DOUBLE_QUOTED, true)} \
WHEN starts_with(${text}, '[') AND (${isNested(text)}) THEN ${jsonItems(text)} \
WHEN regexp_full_match(${text}, ${literal(PYTHON)}) THEN ${quotedItems(text, QUOTED, false)} \
WHEN regexp_full_match(${text}, ${literal(WITHOUT_NUMBER)}) THEN NULL \
WHEN regexp_full_match(${text}, ${literal(braces)}) THEN ${braceItems(text)} \
WHEN regexp_full_match(${text}, ${literal(listOf(String.raw`\[`, BARE, String.raw`\]`, least))}) THEN ${quotedItems(text, QUOTED, false)} \
${others}WHEN regexp_full_match(${text}, ${literal(NESTED)}) THEN NULL ELSE ${split} END`
  const replaced =
    reading.values === undefined
      ? items
      : `list_transform(${items}, lambda item: ${withValues('item', reading.values)})`
  if (reading.emptyItems !== 'drop') return replaced
  return `list_filter(${replaced}, lambda item: (${trimmed('item')}) IS NOT NULL)`
}

/** Items of a list in brackets. Numbers keep all their digits: they are not read as numbers. */
function quotedItems(text: Sql, quoted: string, isJson: boolean): Sql {
  const unescaped = (item: Sql) =>
    isJson
      ? `json_extract_string(${item}, '$')`
      : `regexp_replace(substr(${item}, 2, length(${item}) - 2), '\\\\(.)', '\\1', 'g')`
  const bare = (item: Sql) => `CASE WHEN lower(rtrim(${item})) IN ('none', 'null') THEN NULL ELSE rtrim(${item}) END`
  return `list_transform(regexp_extract_all(${text}, ${literal(`${quoted}|${BARE}`)}), lambda part: \
CASE WHEN starts_with(part, '''') OR starts_with(part, '"') THEN ${unescaped('part')} ELSE ${bare('part')} END)`
}

function braceItems(text: Sql): Sql {
  const unescaped = (item: Sql) => `regexp_replace(${item}, '\\\\(.)', '\\1', 'g')`
  return `list_transform(regexp_extract_all(${text}, ${literal(`${DOUBLE_QUOTED}|${IN_BRACES}`)}), lambda part: \
CASE WHEN starts_with(part, '"') THEN ${unescaped('substr(part, 2, length(part) - 2)')} \
WHEN lower(rtrim(part)) = 'null' THEN NULL ELSE ${unescaped('rtrim(part)')} END)`
}

/**
 * A list of another type, item by item; NULL when one of them is not of that type.
 * @param isAbsent whether an item has no value, so that its place is empty
 */
export function typedItems(items: Sql, convert: (item: Sql) => Sql, isAbsent: (item: Sql) => Sql): Sql {
  return bound(items, 'given', (given) =>
    bound(
      `list_transform(${given}, lambda one: ${convert('one')})`,
      'converted',
      (list) =>
        `CASE WHEN len(list_filter(${list}, lambda one: one IS NULL)) = len(list_filter(${given}, lambda one: ${isAbsent('one')})) THEN ${list} END`,
    ),
  )
}
