import { literal } from '@cinelake/sql'
import type { ColumnReading } from '@cinelake/pipeline'
import { bound, trimmed, withValues, type Sql } from './text.ts'

/** Default separators of lists. */
const SEPARATORS = ['|', ';', ',']

const QUOTED = String.raw`'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"`
/** An unquoted value within brackets: `None`, `12`. */
const BARE = String.raw`[^\[\]'",\s][^\[\]'",]*`
const ITEM = `(?:${QUOTED}|${BARE})`
/** A list as Python prints it: `['a', "it's", None]`. */
const PYTHON = String.raw`\[\s*(?:${ITEM}(?:\s*,\s*${ITEM})*\s*,?)?\s*\]`

/**
 * The items of a list from text: `["a", "b"]` (JSON), `['a', 'b']` (Python), or split at the first of the separators
 * that occurs in it. Items are trimmed; empty ones and nulls are dropped. NULL for brackets that do not form a list.
 */
export function itemsOf(text: Sql, reading: ColumnReading): Sql {
  const separators = reading.separators ?? SEPARATORS
  const splits = separators.map(
    (separator) => `WHEN contains(${text}, ${literal(separator)}) THEN string_split(${text}, ${literal(separator)})`,
  )
  const items = `CASE WHEN NOT starts_with(${text}, '[') THEN CASE ${splits.join(' ')} ELSE [${text}] END \
WHEN json_valid(${text}) THEN json_extract_string(${text}, '$[*]') \
WHEN regexp_full_match(${text}, ${literal(PYTHON)}) THEN ${pythonItems(text)} END`
  const clean = (item: Sql) => withValues(trimmed(item), reading.values)
  return `list_filter(list_transform(${items}, lambda item: ${clean('item')}), lambda item: item IS NOT NULL)`
}

function pythonItems(text: Sql): Sql {
  const unescaped = (item: Sql) => `regexp_replace(substr(${item}, 2, length(${item}) - 2), '\\\\(.)', '\\1', 'g')`
  const bare = (item: Sql) => `CASE WHEN lower(rtrim(${item})) IN ('none', 'null', 'nan') THEN NULL ELSE ${item} END`
  return `list_transform(regexp_extract_all(${text}, ${literal(`${QUOTED}|${BARE}`)}), lambda part: \
CASE WHEN starts_with(part, '''') OR starts_with(part, '"') THEN ${unescaped('part')} ELSE ${bare('part')} END)`
}

/** A list of another type than text, item by item; NULL when one of them is not of that type. */
export function typedItems(items: Sql, convert: (item: Sql) => Sql): Sql {
  return bound(
    `list_transform(${items}, lambda one: ${convert('one')})`,
    'converted',
    (list) => `CASE WHEN len(list_filter(${list}, lambda one: one IS NULL)) = 0 THEN ${list} END`,
  )
}
