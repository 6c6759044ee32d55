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
  ['timeZone', (type) => type === 'TIMESTAMP WITH TIME ZONE', 'timestamps'],
  ['decimal', isNumber, 'numbers'],
  ['percentOf', isNumber, 'numbers'],
  ['separators', (type) => type.endsWith('[]'), 'lists'],
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
    const problem = regexProblem(details.extract) ?? groupProblem(details.extract)
    if (problem !== undefined) problems.error(text.at([...path, 'extract']), problem.message, problem.remedy)
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
    const other = readBy.get(plain(preferred))
    if (other !== undefined) {
      problems.warning(
        text.at([...path, name]),
        `\`${name}\` and \`${other}\` are both read from \`${preferred}\``,
        'check that this is meant',
      )
    }
    readBy.set(plain(preferred), name)
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

const DATE_PARTS = new Set('aAbBcdgGjmuUVwWxyY')
const TIME_PARTS = new Set('cfgHIMnpSXzZ')

/** Why a date format is invalid, or undefined. */
function formatProblem(
  format: string,
  type: 'date' | 'time' | 'timestamp',
): { readonly message: string; readonly remedy: string } | undefined {
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
