import {
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
} from 'yaml'
import type { Place, Problems } from './problem.ts'

export type YamlPath = readonly (string | number)[]

/** A YAML text with its value and the place of everything in it. */
export type YamlText = {
  readonly file: string
  /** What it is called in messages. */
  readonly what: string
  /** Plain JavaScript; undefined when the text could not be read, which has been reported then. */
  readonly value: unknown
  /** Where a value stands; where it is missing, the place of the nearest thing around it. */
  at(path: YamlPath): Place
  /** Where the key of a value stands. */
  atKey(path: YamlPath): Place
  /** A place within a text value: `line` and `column` are 1-based and counted in the value. */
  within(path: YamlPath, line: number, column: number): Place
}

/** Where a YAML text begins, when it is part of another file, and what it is there. Both numbers are 1-based. */
export type Origin = { readonly line: number; readonly column: number; readonly what: string }

const WHOLE_FILE: Origin = { line: 1, column: 1, what: 'the file' }

/** What is wrong with a YAML text, in words that quote nothing of it: any part of it may be a secret in a wrong place. */
export type YamlFault = {
  /** 1-based. */
  readonly line: number
  /** 1-based, in characters. */
  readonly column: number
  readonly message: string
  /** What would be right. */
  readonly remedy: string
}

export type ParsedYaml = {
  /** With comments, to be changed and written again. Its values are to be used only where there are no faults. */
  readonly document: Document.Parsed
  /** Plain JavaScript; undefined where the text cannot be read. */
  readonly value: unknown
  readonly lines: LineCounter
  /** At most one per line, from the first on. */
  readonly faults: readonly YamlFault[]
}

/**
 * Parses YAML 1.2: the one way in which texts of people are parsed, as what the library itself says of a text shows lines
 * of it, and warns of keys by writing them to the process's standard error.
 */
export function parseYaml(text: string): ParsedYaml {
  const lines = new LineCounter()
  // The library compares each key with all others of its mapping.
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    logLevel: 'error',
  })
  const faults: YamlFault[] = []
  const seen = new Set<number>()
  const add = (offset: number, message: string, remedy: string) => {
    const { line, col } = lines.linePos(offset)
    // What comes after it on the same line is mostly what it led to.
    if (!seen.has(line)) faults.push({ line, column: col, message: `YAML cannot be read: ${message}`, remedy })
    seen.add(line)
  }
  const errors = [...document.errors, ...ownFaults(document.contents)].sort((one, other) => one.pos[0] - other.pos[0])
  for (const error of [...errors, ...document.warnings]) add(error.pos[0], plainMessage(error), yamlRemedy(error))
  if (errors.length > 0) return { document, value: undefined, lines, faults }
  try {
    return { document, value: documentValue(document), lines, faults }
  } catch (error) {
    add(
      document.contents?.range[0] ?? 0,
      // The library's words may name keys.
      error instanceof TypeError ? 'an alias stands for what it is in' : 'its aliases stand for too much',
      'write the values out instead of using aliases (`*name`)',
    )
    return { document, value: undefined, lines, faults }
  }
}

/** Aliases may not be blown up without end: the library counts them and throws. */
function documentValue(document: Document.Parsed): unknown {
  const value = document.toJS({ maxAliasCount: 100 }) as unknown
  // An alias of what it stands in goes round in circles: writing it out finds that, by throwing.
  JSON.stringify(value)
  return value
}

/** Reads YAML 1.2 and reports every error of syntax, duplicate keys included. */
export function readYaml(file: string, text: string, problems: Problems, origin: Origin = WHOLE_FILE): YamlText {
  const { document, value, lines, faults } = parseYaml(text)
  const placeInFile = (line: number, column: number): Place => ({
    file,
    line: line + origin.line - 1,
    column: line === 1 ? column + origin.column - 1 : column,
  })
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return placeInFile(line, col)
  }
  for (const { line, column, message, remedy } of faults) problems.error(placeInFile(line, column), message, remedy)
  const root = document.contents
  const find = (path: YamlPath) => nodeAt(isNode(root) ? root : undefined, path)
  const startOf = (node: Node | undefined): Place => placeAt(node?.range?.[0] ?? 0)
  return {
    file,
    what: origin.what,
    value,
    at: (path) => startOf(find(path).value),
    atKey: (path) => startOf(find(path).key ?? find(path).value),
    within: (path, line, column) => {
      const node = find(path).value
      const start = startOf(node)
      if (!isScalar(node)) return start
      const block = node.type === 'BLOCK_LITERAL' || node.type === 'BLOCK_FOLDED'
      if (block) {
        const indent = blockIndent(text, node.range?.[0] ?? 0)
        return { file, line: start.line + line, column: column + indent }
      }
      const quote = node.type === 'QUOTE_DOUBLE' || node.type === 'QUOTE_SINGLE' ? 1 : 0
      // A plain or quoted text that goes over several lines is folded into one: its start is as near as one gets.
      const oneLine = !text.slice(node.range?.[0] ?? 0, node.range?.[1] ?? 0).includes('\n')
      return oneLine ? { file, line: start.line, column: start.column + quote + column - 1 } : start
    },
  }
}

/** What is wrong with a text, in the library's terms. */
type Fault = { readonly code: string; readonly message: string; readonly pos: readonly [number, ...number[]] }

/** What the library does not look for in good time, or not with its place. */
function ownFaults(root: unknown): Fault[] {
  const found: Fault[] = []
  if (!isNode(root)) return found
  const anchors = new Set<string>()
  const keepAnchor = ({ anchor }: { readonly anchor?: string }) => {
    if (anchor !== undefined) anchors.add(anchor)
  }
  try {
    visit(root, {
      Map(_, map) {
        keepAnchor(map)
        const seen = new Set<unknown>()
        for (const { key } of map.items) {
          if (!isScalar(key)) continue
          if (seen.has(key.value))
            found.push({ code: 'DUPLICATE_KEY', message: 'Map keys must be unique', pos: [key.range?.[0] ?? 0] })
          seen.add(key.value)
        }
      },
      Seq: (_, list) => keepAnchor(list),
      Scalar: (_, scalar) => keepAnchor(scalar),
      Alias(_, { source, range }) {
        if (!anchors.has(source)) found.push({ code: 'BAD_ALIAS', message: 'Unresolved alias', pos: [range?.[0] ?? 0] })
      },
    })
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    found.push({ code: 'RESOURCE_EXHAUSTION', message: error.message, pos: [0] })
  }
  return found
}

function nodeAt(
  root: Node | undefined,
  path: YamlPath,
): { readonly key?: Node | undefined; readonly value: Node | undefined } {
  let found: { key?: Node | undefined; value: Node | undefined } = { value: root }
  for (const step of path) {
    const inside = isMap(found.value)
      ? stepIntoMap(found.value.items, step)
      : isSeq(found.value)
        ? stepIntoList(found.value.items, step)
        : undefined
    if (inside === undefined) return found
    // `key:` without a value: the key is the nearest thing there is.
    found = { key: inside.key, value: inside.value ?? inside.key }
  }
  return found
}

function stepIntoMap(items: readonly unknown[], step: string | number) {
  for (const pair of items) {
    if (!isPair(pair) || !isScalar(pair.key) || String(pair.key.value) !== String(step)) continue
    return { key: pair.key, value: isNode(pair.value) && !isEmptyScalar(pair.value) ? pair.value : undefined }
  }
  return undefined
}

function stepIntoList(items: readonly unknown[], step: string | number) {
  const item = items[Number(step)]
  return isNode(item) ? { key: undefined, value: item } : undefined
}

/** `key:` with nothing behind it is a NULL that stands nowhere. */
function isEmptyScalar(node: Node): boolean {
  return !isAlias(node) && isScalar(node) && node.value === null && node.source === ''
}

/** Characters that a block text is indented by: those before its first line that holds something. */
function blockIndent(text: string, start: number): number {
  const afterHeader = text.indexOf('\n', start) + 1
  return /^[^\S\n]*(?=\S)/m.exec(text.slice(afterHeader))?.[0].length ?? 0
}

/** The library's words, where they quote nothing of the text: it may be a secret that YAML took for an alias or a tag. */
function plainMessage({ code, message }: { readonly code: string; readonly message: string }): string {
  if (isTooDeep(message)) return 'its values are nested too deep'
  const plain = message.replace(/\s+at line \d+, column \d+:?[\s\S]*$/, '').replace(/[.:]$/, '')
  // Of these the library has many, some of which end with what it found.
  if (code === 'UNEXPECTED_TOKEN') return QUOTES_NOTHING.test(plain) ? plain : 'unexpected text'
  return YAML_MESSAGES[code] ?? plain
}

const QUOTES_NOTHING =
  /^Unexpected (?:[,?:-]|[\w-]+ token|empty item|[\w-]+ at node end)(?: in (?:flow|block)[\w -]*| in collection)?$/

const YAML_MESSAGES: Readonly<Record<string, string>> = {
  BAD_ALIAS: 'an alias (`*name`) without its anchor, or a wrong one',
  BAD_COLLECTION_TYPE: 'a tag (`!name`) of another kind of value',
  BAD_DIRECTIVE: 'an unknown directive (`%…`)',
  BAD_DQ_ESCAPE: 'an unknown escape sequence (`\\…`) in double quotes',
  BAD_SCALAR_START: 'a text that begins with a sign of YAML',
  DUPLICATE_KEY: 'Map keys must be unique',
  MISSING_ANCHOR: 'an anchor without a name',
  TAG_RESOLVE_FAILED: 'an unknown tag (`!name`)',
}

const isTooDeep = (message: string) => /call stack|stack overflow/i.test(message)

function yamlRemedy({ code, message }: { readonly code: string; readonly message: string }): string {
  if (isTooDeep(message)) return 'write it with fewer lists and mappings within each other'
  if (/end with an? [\]}]/.test(message)) return 'close the bracket that was opened before'
  return YAML_REMEDIES[code] ?? 'check the indentation, and put texts with `: `, ` #`, `{`, `[`, `*` or `&` in quotes'
}

const YAML_REMEDIES: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'give each key once: remove or rename one of the two',
  TAB_AS_INDENT: 'indent with spaces',
  MULTILINE_IMPLICIT_KEY: 'put the text in quotes, or close the quote or bracket that was opened before',
  MISSING_CHAR: 'close the quote or bracket',
  TAG_RESOLVE_FAILED: 'put the text in quotes',
  BAD_ALIAS: 'put the text in quotes, or define the anchor (`&name`) before it is used',
}

/** A field of a value that has not been checked; undefined where it has none. */
export function fieldOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[key] : undefined
}

/** A text in a value that has not been checked; an empty one where there is none. */
export function asString(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
