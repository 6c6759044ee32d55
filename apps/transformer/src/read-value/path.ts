import { literal } from '@cinelake/sql'
import { type Sql, bound } from './text.ts'

/** A control character as a mark in JSON: valid JSON has it only as an escape. */
const MARK = 'chr(1)'
const STRING = String.raw`"(?:[^"\\]|\\.)*"`

/**
 * The value at a path of JSON, as text: of a text its characters, of a number its digits, of an object or list its JSON;
 * NULL for JSON's null and for what is not there.
 * @param path `address.city`, `lines[0].price`
 */
export function valueAt(json: Sql, path: string): Sql {
  const at = literal(jsonPath(path))
  return bound(withTextNumbers(json), 'json', (given) => {
    const found = `json_extract(${given}, ${at})`
    return `CASE WHEN json_type(${found}) IN ('OBJECT', 'ARRAY') THEN ${withNumbers(`CAST(${found} AS VARCHAR)`)} ELSE ${withNumbers(`json_extract_string(${given}, ${at})`)} END`
  })
}

/** The items of a JSON list as texts: numbers keep their digits, whether they are items or within items. */
export function jsonItems(json: Sql): Sql {
  return `list_transform(json_extract_string(${withTextNumbers(json)}, '$[*]'), lambda item: ${withNumbers('item')})`
}

/** Marks a number that has been made a text: a character for private use, which no text of a source has. */
const NUMBER = '\u{e0fe}'

/** JSON in which numbers are texts, since the engine reads those with a fraction as DOUBLE. */
function withTextNumbers(json: Sql): Sql {
  const [open, close] = ['chr(1)', 'chr(2)']
  const marked = String.raw`regexp_replace(${json}, ${literal(String.raw`(${STRING})|(-?\d[\d.eE+-]*)`)}, '\1' || ${open} || '\2' || ${close}, 'g')`
  return `replace(replace(replace(${marked}, ${open} || ${close}, ''), ${open}, '"${NUMBER}'), ${close}, '${NUMBER}"')`
}

/** Texts that were numbers as numbers again, in JSON or alone. */
function withNumbers(text: Sql): Sql {
  return `replace(replace(replace(${text}, '"${NUMBER}', ''), '${NUMBER}"', ''), '${NUMBER}', '')`
}

/** Whether a text is JSON that holds no value: null. */
export function isJsonNull(json: Sql): Sql {
  return `CASE WHEN json_valid(${json}) THEN json_type(${json}) = 'NULL' ELSE false END`
}

/** Tokens of JSON: the engine takes `NaN` and `Infinity` as well, which JSON does not have. */
const TOKENS = String.raw`(?:${STRING}|[\[\]{}:,\s]|-?\d[\d.eE+-]*|true|false|null)*`

/** Whether a text is an object or a list of JSON in which a path may lead somewhere. */
export function isNested(json: Sql): Sql {
  const isReadable = [
    `json_type(${json}) IN ('OBJECT', 'ARRAY')`,
    `NOT contains(${json}, '\\u0000')`,
    `NOT contains(${json}, '${NUMBER}')`,
    `regexp_full_match(${json}, ${literal(TOKENS)})`,
  ]
  return `CASE WHEN json_valid(${json}) THEN ${isReadable.join(' AND ')} ELSE false END`
}

/** The steps of `lines[0].price`: names of fields and places in lists, as JSON paths have them. */
function stepsOf(path: string): { readonly name?: string; readonly step: string }[] {
  return path.split('.').flatMap((part) => {
    const [, name = part, places = ''] = /^(.*?)((?:\[\d+\])*)$/.exec(part) ?? []
    return [...(name === '' ? [] : [{ name, step: `."${name}"` }]), ...(places === '' ? [] : [{ step: places }])]
  })
}

/** `address.city` → `$."address"."city"`. */
function jsonPath(path: string): string {
  return `$${stepsOf(path)
    .map(({ step }) => step)
    .join('')}`
}

/** Whether an object on a path has the path's next name twice, so that it is open which one is meant. */
export function isAmbiguous(json: Sql, path: string): Sql {
  const steps = stepsOf(path)
  const twice = steps.flatMap(({ name }, index) => {
    if (name === undefined) return []
    const above = steps.slice(0, index).map(({ step }) => step)
    const keys = `json_keys(${json}, ${literal(`$${above.join('')}`)})`
    return [`coalesce(len(list_filter(${keys}, lambda key: key = ${literal(name)})) > 1, false)`]
  })
  return twice.length === 0 ? 'false' : `(${twice.join(' OR ')})`
}

/** JSON of a text: as it is, or of what Python prints of dicts, lists and tuples. */
export function asJson(text: Sql): Sql {
  return bound(
    text,
    'printed',
    (printed) => `CASE WHEN json_valid(${printed}) THEN ${printed} ELSE ${fromPython(printed)} END`,
  )
}

function fromPython(text: Sql): Sql {
  // Python has other escapes than JSON, and quotes in quotes: a text with those is not taken apart.
  const isPlain = String.raw`(?:[^'"\\]|'[^'"\\]*'|"[^"\\]*")*`
  const quoted = String.raw`regexp_replace(${text}, '''([^''"\\]*)''|("[^"\\]*")', ${MARK} || '\1' || ${MARK} || '\2', 'g')`
  // A text in double quotes leaves two marks before it.
  const json = `replace(replace(${quoted}, ${MARK} || ${MARK} || '"', '"'), ${MARK}, '"')`
  const words: readonly (readonly [string, string])[] = [
    [String.raw`\bNone\b`, 'null'],
    [String.raw`\bTrue\b`, 'true'],
    [String.raw`\bFalse\b`, 'false'],
    [String.raw`\(`, '['],
    [String.raw`,?\s*\)`, ']'],
  ]
  return `CASE WHEN regexp_full_match(${text}, ${literal(isPlain)}) THEN ${words.reduce((found, [from, to]) => outsideStrings(found, from, to), json)} END`
}

/** Replaces a pattern where it is not within a string. */
function outsideStrings(json: Sql, pattern: string, replacement: string): Sql {
  const marked = String.raw`regexp_replace(${json}, ${literal(String.raw`(${STRING})|${pattern}`)}, '\1' || ${MARK}, 'g')`
  return `replace(replace(${marked}, '"' || ${MARK}, '"'), ${MARK}, ${literal(replacement)})`
}
