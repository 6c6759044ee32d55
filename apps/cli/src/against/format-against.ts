import type { Window } from '@cinelake/core'
import type { ColumnReach, TableEffect } from '@cinelake/pipeline'
import type { Comparison } from './compare-text.ts'
import type { MeasureChange, RowComparison, TableRows } from './compare-rows.ts'
import { formatCount } from '../output/format-value.ts'

/** Most lines of a table or a list; the rest is only counted. */
const MAX_LINES = 30

/** Most names in a sentence. */
const MAX_NAMES = 6

/** A comparison of two texts of a pipeline, as Markdown for a pull request. */
export function formatAgainst(comparison: Comparison): string {
  const { pipeline, revision, effects } = comparison
  const changed = effects.filter(({ state }) => state !== 'unchanged')
  const title = `## ${pipeline.name} against \`${revision}\`\n\n`
  if (changed.length === 0) return `${title}No table has changed.\n`
  const others = effects.length - changed.length
  const sections = [
    markdownTable(['table', 'column', 'effect', 'change'], changed.flatMap(linesOfEffect)),
    ...(others === 0 ? [] : [`${others} ${others === 1 ? 'table is' : 'tables are'} unchanged.\n`]),
    reachSection(changed, comparison),
    rowsSection(comparison.rows),
    measuresSection(comparison),
  ]
  return title + sections.filter((section) => section !== '').join('\n')
}

const code = (text: string) => `\`${text.replaceAll('`', "'")}\``

/** @param columns those that begin with `#` hold numbers */
function markdownTable(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  const head = line(columns.map((column) => column.replace(/^#/, '')))
  const rule = `|${columns.map((column) => (column.startsWith('#') ? '--:' : '---')).join('|')}|`
  const more = rows.length > MAX_LINES ? `\n${formatCount(rows.length - MAX_LINES)} more; \`--json\` has all.\n` : ''
  return `${[head, rule, ...rows.slice(0, MAX_LINES).map(line)].join('\n')}\n${more}`
}

function listOf(lines: readonly string[]): string {
  const more = lines.length > MAX_LINES ? [`- ${formatCount(lines.length - MAX_LINES)} more; \`--json\` has all`] : []
  return [...lines.slice(0, MAX_LINES), ...more].map((line) => `${line}\n`).join('')
}

function named(names: readonly string[]): string {
  const some = names.slice(0, MAX_NAMES).join(', ')
  return names.length > MAX_NAMES ? `${some} and ${names.length - MAX_NAMES} more` : some
}

function linesOfEffect({ table, state, columns, hasOtherValues }: TableEffect): string[][] {
  if (state === 'new') return [[code(table), '', 'additive', `new, ${columns.length} columns`]]
  if (state === 'gone') return [[code(table), '', '**breaking**', `gone, ${columns.length} columns`]]
  const different = columns.filter(({ effect }) => effect !== 'unchanged')
  const same = columns.length - different.length
  return [
    ...different.map(({ column, effect, kind = '', from, to }) => {
      const types = [from, to].filter((type) => type !== null && type !== undefined).join(' → ')
      const strength = effect === 'breaking' ? '**breaking**' : effect
      return [code(table), code(column), strength, `${kind}${types === '' ? '' : `: ${types}`}`]
    }),
    ...(hasOtherValues
      ? [[code(table), '', 'values', 'another SELECT, reading or rule: values may become others']]
      : []),
    ...(same === 0 ? [] : [[code(table), `${same} more`, 'unchanged', '']]),
  ]
}

function reachSection(changed: readonly TableEffect[], { reach, windows }: Comparison): string {
  const lines = changed.flatMap(({ table, models, served }) => {
    const through = models.length === 0 ? 'no model' : named(models.map(code))
    const mart = served.length === 0 ? 'nothing that analysts read' : named(served.map(code))
    const columns = reach.filter((each) => each.table === table && each.column !== undefined)
    return [`- ${code(table)}: ${through}; in the mart ${mart}`, ...columns.map(lineOfReach)]
  })
  return `### Reaches\n\n${listOf(lines)}${windowsLine(windows)}`
}

function lineOfReach({ column = '', models, served }: ColumnReach): string {
  const columnsOf = (name: string, columns: readonly string[]) => `${code(name)} (${named(columns.map(code))})`
  const made = models.map(({ model, columns }) => columnsOf(model, columns))
  const mart = served.map(({ as, columns }) => columnsOf(as, columns))
  const through = made.length === 0 ? 'no column is made from it' : named(made)
  return `  - ${code(column)}: ${through}; in the mart ${mart.length === 0 ? 'nothing' : named(mart)}`
}

function windowsLine(windows: readonly Window[]): string {
  const [first, last] = [windows[0], windows.at(-1)]
  if (first === undefined || last === undefined) return ''
  const count = windows.length === 1 ? '1 window' : `${windows.length} windows`
  return `- windows, when they are run again: ${first.label} to ${last.label} (${count})\n`
}

function rowsSection({ note, windows, landed, tables }: RowComparison): string {
  if (note !== undefined) return `### Rows\n\nNo rows were compared: ${note}.\n`
  const [told, same] = [tables.filter(isTold), tables.filter((table) => !isTold(table))]
  const [first, last] = [windows[0] ?? '', windows.at(-1) ?? '']
  const which = windows.length === 1 ? `window ${first}` : `windows ${first} to ${last} (${windows.length})`
  const others = landed - windows.length
  const stays =
    others <= 0
      ? ''
      : ` What ${others === 1 ? 'another window' : `${others} other windows`} brought stays as it is; \`--from\` takes more.`
  const intro = `Made under both texts for ${which}, over the tables as they are.${stays}\n`
  const columns = ['table', '#before', '#after', '#new', '#gone', '#changed']
  const table = told.length === 0 ? '' : `\n${markdownTable(columns, told.map(cellsOfRows))}`
  const details = told.flatMap(detailsOf)
  const rest = same.length === 0 ? '' : `\nThe same rows: ${named(same.map(({ table: name }) => code(name)))}.\n`
  return `### Rows\n\n${intro}${table}${details.length === 0 ? '' : `\n${listOf(details)}`}${rest}`
}

/** Whether a table has anything to report. */
function isTold({ before, after, changes, notes, rejected }: TableRows): boolean {
  if (changes === undefined || before !== after || notes.length > 0) return true
  const { added, gone, changed } = changes
  return added + gone + changed > 0 || JSON.stringify(rejected.before) !== JSON.stringify(rejected.after)
}

function cellsOfRows({ table, before, after, changes }: TableRows): string[] {
  const count = (value: number | null | undefined) => (value === null || value === undefined ? '' : formatCount(value))
  const counts = [changes?.added, changes?.gone, changes?.changed].map(count)
  return [code(table), count(before), count(after), ...counts]
}

function detailsOf({ table, changes, notes, rejected }: TableRows): string[] {
  const lines: string[] = []
  const columns = Object.entries(changes?.columns ?? {}).toSorted(([, one], [, other]) => other - one)
  if (columns.length > 0) {
    lines.push(`other values in ${named(columns.map(([name, count]) => `${code(name)} (${formatCount(count)})`))}`)
  }
  const { added = [], gone = [], changed = [] } = changes?.examples ?? {}
  const examples = [
    ['new', added],
    ['gone', gone],
    ['changed', changed],
  ] as const
  const some = examples.flatMap(([kind, keys]) => (keys.length === 0 ? [] : [`${kind} ${keys.map(code).join(', ')}`]))
  if (some.length > 0) lines.push(`for example ${some.join('; ')}`)
  const [old, now] = [rejectsText(rejected.before), rejectsText(rejected.after)]
  if (old !== now) lines.push(`rejected ${old} → ${now}`)
  return [...lines, ...notes.map((note) => note.replaceAll(/\s+/g, ' '))].map((line) => `- ${code(table)}: ${line}`)
}

function rejectsText(rejected: Readonly<Record<string, number>>): string {
  const rules = Object.entries(rejected).map(([rule, count]) => `${formatCount(count)} by ${code(rule)}`)
  return rules.length === 0 ? 'none' : named(rules)
}

function measuresSection({ rows, measures }: Comparison): string {
  const measureName = (as: string, column: string) => code(`${as}.${column}`)
  if (rows.tables.length === 0) {
    if (measures.length === 0) return ''
    return `### Measures\n\nReached: ${named(measures.map(({ as, column }) => measureName(as, column)))}.\n`
  }
  const all = rows.tables.flatMap((table) => table.measures)
  if (all.length === 0) return ''
  const differ = all.filter(({ before, after }) => before !== after)
  const same = all.filter((measure) => !differ.includes(measure))
  const cells = ({ as, column, total, before, after }: MeasureChange) => {
    return [code(as), code(column), total, decimal(before), decimal(after)]
  }
  const table =
    differ.length === 0
      ? ''
      : markdownTable(['in the mart', 'measure', 'total', '#before', '#after'], differ.map(cells))
  const rest = same.length === 0 ? '' : `The same: ${named(same.map(({ as, column }) => measureName(as, column)))}.\n`
  return `### Measures\n\n${[table, rest].filter((part) => part !== '').join('\n')}`
}

/** `10,412.50`: the digits are kept. */
function decimal(value: string | null): string {
  if (value === null) return ''
  const [, sign = '', whole = '', rest = ''] = /^(-?)(\d+)(\.\d+)?$/.exec(value) ?? []
  return whole === '' ? value : `${sign}${whole.replaceAll(/\B(?=(?:\d{3})+$)/g, ',')}${rest}`
}
