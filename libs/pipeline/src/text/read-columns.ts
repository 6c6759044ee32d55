import type { Problems, YamlPath, YamlText } from '@cinelake/config-text'
import { isTimeZone, suggest } from '@cinelake/core'
import type { CheckedColumn, ColumnDetailsText, ColumnReading, ColumnReadingText } from '@cinelake/source-kind'
import { groupCount, isNumber, regexProblem } from './column-rules.ts'
import type { Contract, ContractColumn } from './read-contract.ts'

/** Joins a contract's columns with one dataset's spellings of them. */
export function readColumns(
  contract: Contract,
  readings: Readonly<Record<string, ColumnReadingText>>,
  place: { readonly text: YamlText; readonly path: YamlPath; readonly problems: Problems },
): CheckedColumn[] {
  const names = contract.columns.map(({ name }) => name)
  for (const name of Object.keys(readings)) {
    if (names.includes(name) || contract.brokenColumns.has(name)) continue
    place.problems.error(
      place.text.atKey([...place.path, name]),
      `\`${name}\` is no column of the contract ${contract.file}`,
      suggest(name, names),
    )
  }
  const checked = contract.columns.map(({ physicalName, timeZone, ...column }): CheckedColumn => {
    const given = readings[column.name]
    const details =
      given === undefined ? {} : typeof given === 'string' || Array.isArray(given) ? { from: given } : given
    checkDetails(column, details, { ...place, path: [...place.path, column.name] })
    return { ...column, reading: readingOf(column, details, { physicalName, timeZone }) }
  })
  reportSharedNames(checked, place)
  return checked
}

function readingOf(
  { name, renamedFrom = [] }: Pick<ContractColumn, 'name' | 'renamedFrom'>,
  details: ColumnDetailsText,
  contract: Pick<ContractColumn, 'physicalName' | 'timeZone'>,
): ColumnReading {
  const { from = [], ...rest } = details
  const names = [
    ...(typeof from === 'string' ? [from] : from),
    ...(contract.physicalName === undefined ? [] : [contract.physicalName]),
    name,
    // Older files may use the former name, and a source that was not changed still does: unless `from` says otherwise.
    ...(details.from === undefined ? renamedFrom : []),
  ]
  const seen = new Set<string>()
  // The contract's own name is always accepted, after the preferred ones.
  const distinct = names.filter((spelling) => !seen.has(plain(spelling)) && seen.add(plain(spelling)))
  const timeZone = rest.timeZone ?? contract.timeZone
  const reading: Record<string, unknown> = { from: distinct, ...rest, ...(timeZone === undefined ? {} : { timeZone }) }
  return Object.fromEntries(Object.entries(reading).filter(([, value]) => value !== undefined)) as ColumnReading
}

type Place = { readonly text: YamlText; readonly path: YamlPath; readonly problems: Problems }

/** The options that are allowed for each type: an option without effect is an error. */
const USES: readonly (readonly [keyof ColumnDetailsText, (type: string) => boolean, string])[] = [
  ['formats', (type) => timeKind(type) !== undefined, 'dates and times'],
  ['language', (type) => timeKind(type) !== undefined, 'dates and times'],
  ['pivotYear', (type) => timeKind(type) !== undefined && timeKind(type) !== 'time', 'dates and timestamps'],
  ['timeZone', (type) => timeKind(type) !== undefined, 'timestamps, and dates and times that are read from them'],
  ['ambiguous', (type) => type === 'TIMESTAMP WITH TIME ZONE', 'timestamps'],
  ['decimal', isNumber, 'numbers'],
  ['percentOf', isNumber, 'numbers'],
  ['grouping', isNumber, 'numbers'],
  ['negatives', isNumber, 'numbers'],
  ['suffixes', isNumber, 'numbers'],
  ['separators', (type) => type.endsWith('[]'), 'lists'],
  ['emptyItems', (type) => type.endsWith('[]'), 'lists'],
]

function checkDetails(
  column: Pick<ContractColumn, 'name' | 'type'>,
  details: ColumnDetailsText,
  { text, path, problems }: Place,
): void {
  for (const [key, fits, what] of USES) {
    if (details[key] === undefined || fits(column.type)) continue
    problems.error(
      text.atKey([...path, key]),
      `\`${key}\` does not go with \`${column.name}\`, a column of type ${column.type}`,
      `it is for ${what}: remove it or change the contract`,
    )
  }
  if (details.extract !== undefined) {
    const isPlain = typeof details.extract === 'string'
    const pattern = typeof details.extract === 'string' ? details.extract : details.extract.pattern
    const problem = regexProblem(pattern) ?? groupProblem(pattern)
    const at = [...path, 'extract', ...(isPlain ? [] : ['pattern'])]
    if (problem !== undefined) problems.error(text.at(at), problem.message, problem.remedy)
  }
  if (details.path !== undefined && !PATH.test(details.path)) {
    problems.error(
      text.at([...path, 'path']),
      `the path '${details.path}' is wrong`,
      'expected names with dots between them, and places in lists: `address.city`, `lines[0].price`',
    )
  }
  if (details.language !== undefined && !isLanguage(details.language)) {
    problems.error(
      text.at([...path, 'language']),
      `unknown language \`${details.language}\``,
      'expected a tag such as `de`, `fr` or `pt-BR`',
    )
  }
  if (details.grouping !== undefined && details.grouping !== 'thousands' && details.decimal === 'any') {
    problems.error(
      text.at([...path, 'grouping']),
      `\`grouping: ${details.grouping}\` and \`decimal: any\` contradict each other`,
      'say which sign is the decimal one: `.` or `,`',
    )
  }
  if (details.timeZone !== undefined && !isTimeZone(details.timeZone)) {
    problems.error(
      text.at([...path, 'timeZone']),
      `unknown time zone \`${details.timeZone}\``,
      'expected an IANA name such as `Europe/Berlin`',
    )
  }
  const kind = timeKind(column.type)
  for (const [index, format] of (details.formats ?? []).entries()) {
    const problem = kind === undefined ? undefined : formatProblem(format, kind)
    if (problem !== undefined) problems.error(text.at([...path, 'formats', index]), problem.message, problem.remedy)
  }
  warnOfContradiction(details.formats ?? [], { text, path, problems })
  if (kind !== 'time') warnOfMissingYear(details.formats ?? [], { text, path, problems })
}

/** A format without a year reads a date of 1900. */
function warnOfMissingYear(formats: readonly string[], { text, path, problems }: Place): void {
  for (const [index, format] of formats.entries()) {
    if (NUMBER_FORMATS.has(format) || /%-?[YyGcx]/.test(format)) continue
    problems.warning(
      text.at([...path, 'formats', index]),
      `the format '${format}' names no year: its dates are of 1900`,
      'read the column as text, and add the year in a model',
    )
  }
}

const PATH = /^[^.[\]"\s][^.[\]"]*(?:\[\d+\])*(?:\.[^.[\]"]+(?:\[\d+\])*)*$|^(?:\[\d+\])+(?:\.[^.[\]"]+(?:\[\d+\])*)*$/

/** Whether the runtime has names of months in a language: for an unknown one it would use English. */
function isLanguage(tag: string): boolean {
  try {
    return Intl.DateTimeFormat.supportedLocalesOf([tag]).length > 0
  } catch {
    return false
  }
}

/** Two formats that read `03/04/2026` as different days: the first one decides, whichever is meant. */
function warnOfContradiction(formats: readonly string[], { text, path, problems }: Place): void {
  const shape = (format: string) => format.replaceAll(/%-?[dmyY]/g, (part) => (part.endsWith('Y') ? 'Y' : '#'))
  for (const [index, format] of formats.entries()) {
    if (!/%-?m/.test(format)) continue
    const other = formats
      .slice(0, index)
      .find((one) => shape(one) === shape(format) && partsOf(one) !== partsOf(format))
    if (other === undefined) continue
    problems.warning(
      text.at([...path, 'formats', index]),
      `'${other}' and '${format}' read the same text as different dates`,
      `'${other}' comes first and wins: check that this is meant, or keep one of them`,
    )
  }
}

/** The letters of a format in their order. */
function partsOf(format: string): string {
  return [...format.matchAll(/%-?([a-zA-Z])/g)].map(([, letter]) => letter).join('')
}

function groupProblem(pattern: string): { readonly message: string; readonly remedy: string } | undefined {
  const count = groupCount(pattern)
  if (count === 1) return undefined
  return {
    message: `the regular expression '${pattern}' has ${count} groups`,
    remedy: 'expected one pair of parentheses around what is meant; `(?:…)` groups without counting',
  }
}

/** Two columns that read the same source column: nearly always a copied line. */
function reportSharedNames(columns: readonly CheckedColumn[], { text, path, problems }: Place): void {
  const readBy = new Map<string, string>()
  for (const { name, reading } of columns) {
    const [preferred = name] = reading.from
    const key = `${plain(preferred)}\n${reading.path ?? ''}`
    const other = readBy.get(key)
    if (other !== undefined) {
      problems.warning(
        text.at([...path, name]),
        `\`${name}\` and \`${other}\` are both read from \`${preferred}\``,
        'check that this is meant',
      )
    }
    readBy.set(key, name)
  }
}

function timeKind(type: string): 'date' | 'time' | 'timestamp' | undefined {
  if (type === 'DATE') return 'date'
  if (type === 'TIME') return 'time'
  return type === 'TIMESTAMP WITH TIME ZONE' ? 'timestamp' : undefined
}

/** Normalizes a name for comparison: without case, spaces, `-` and `_`. */
const plain = (name: string) => name.toLowerCase().replaceAll(/[\s_-]/g, '')

/** The letters that the engine accepts after `%`. Source: duckdb.org/docs/stable/sql/functions/dateformat */
const SPECIFIERS = new Set('aAbBcdfgGHIjmMnpSuUVwWxXyYzZ%')
/** Those that may be preceded by `-`: without a leading zero. */
const UNPADDED = new Set('dHIjmMSy')

/** Formats of numbers, beside those of letters. */
const NUMBER_FORMATS = new Set(['epoch', 'epochMillis', 'excel'])

const DATE_PARTS = new Set('aAbBcdgGjmuUVwWxyY')
const TIME_PARTS = new Set('cfgHIMnpSXzZ')

/** Why a date format is invalid, or undefined. */
function formatProblem(
  format: string,
  type: 'date' | 'time' | 'timestamp',
): { readonly message: string; readonly remedy: string } | undefined {
  if (NUMBER_FORMATS.has(format)) {
    if (type !== 'time' || format === 'excel') return undefined
    return { message: `the format '${format}' is no time of day`, remedy: 'expected letters such as %H:%M:%S' }
  }
  const letters: string[] = []
  for (const [form, dash, letter = ''] of format.matchAll(/%(-?)(.?)/gsu)) {
    if (!SPECIFIERS.has(letter) || (dash === '-' && !UNPADDED.has(letter))) {
      return {
        message: `the format '${format}' has the unknown part \`${form}\``,
        remedy: 'expected strftime letters such as %Y-%m-%d, %d.%m.%Y, %B %d, %Y or %H:%M:%S; a percent sign is %%',
      }
    }
    letters.push(letter)
  }
  const hasDate = letters.some((letter) => DATE_PARTS.has(letter))
  const hasTime = letters.some((letter) => TIME_PARTS.has(letter))
  if (type === 'time' ? hasTime : hasDate) return undefined
  return {
    message: `the format '${format}' names no part of a ${type === 'time' ? 'time' : 'date'}`,
    remedy: type === 'time' ? 'expected letters such as %H:%M:%S' : 'expected letters such as %Y-%m-%d',
  }
}
