import { ConfigError, PipelineError, WINDOW_LENGTHS, type WindowLength, closestName, parseWindow } from '@cinelake/core'
import type { SqlSession } from '@cinelake/engine'
import type { Lake } from '@cinelake/lake'
import { type CheckedPipeline, loadPipeline } from '@cinelake/pipeline'
import { literal } from '@cinelake/sql'
import type { CommandContext } from '../command.ts'
import {
  type LakeTable,
  findTable,
  namedBy,
  openLakeOfTables,
  refinedTable,
  refuseLost,
  rejectsTable,
} from '../lake-tables.ts'
import { openEngine } from '../open-parts.ts'
import { formatTable, layoutOf } from '../output/format-table.ts'
import { formatCell, formatCount, toJson } from '../output/format-value.ts'
import { plural } from '../output/run-tables.ts'
import { platformConfig } from '../settings.ts'
import { EXAMPLES } from '../windows.ts'

export type Options = {
  readonly state?: string
  readonly limit: number
  readonly window?: string
  readonly rule?: string
  readonly json?: true
}
type RuleCount = {
  readonly window_label: string
  readonly rule: string
  readonly count: number
  /** Whether these rows were kept: the rule only warns. */
  readonly kept: boolean
  /** The condition of the rule, as far as the pipeline's text has it. */
  readonly expected?: string | undefined
}
type Reject = {
  readonly window_label: string
  readonly rule: string
  readonly rules: readonly string[]
  readonly file: string | null
  readonly line: number | null
  /** The actual values, by rule; null for rows that were rejected before these were stored, and for models. */
  readonly found: readonly string[] | null
  readonly kept: boolean
  readonly raw: string | null
}
type Found = { readonly counts: readonly RuleCount[]; readonly rejects: readonly Reject[] }

export async function rejects(
  dataset: string,
  options: Options,
  { terminal, settings }: CommandContext,
): Promise<void> {
  requireWindow(options.window)
  const config = platformConfig(settings, options.state)
  const isMeant = namedBy(dataset)
  await using lake = await openLakeOfTables(config, isMeant)
  await using engine = await openEngine(config, lake)
  await using session = await engine.session()
  const named = await findTable(config, lake, dataset)
  const table = await rejectsTable(lake, named)
  await using view = await table.view(session)
  if (view === undefined) await refuseLost(config, lake, (one) => one.isRejects && isMeant(one))
  if (view !== undefined) await requireSameLength(session, view.relation, options.window)
  if (view !== undefined) await requireRule(session, view.relation, { dataset, rule: options.rule })
  const broken = view === undefined ? { counts: [], rejects: [] } : await find(session, view.relation, options)
  if (broken.counts.length === 0) requireRun(dataset, options.window, await windowsOf(lake, named))
  const meaning = await ruleMeanings(lake, named)
  const found = { ...broken, counts: broken.counts.map((count) => ({ ...count, expected: meaning(count.rule) })) }
  if (options.json === true) return terminal.print(`${toJson({ dataset, ...found })}\n`)
  const { paint, print } = terminal
  if (found.counts.length === 0) return print(`No row of ${dataset} was rejected${narrowed(options)}.\n`)
  print(formatCounts(found.counts, layoutOf(terminal)))
  const all = found.counts.reduce((sum, { count }) => sum + count, 0)
  print(`\n${formatRejects(found.rejects, meaning, paint)}`)
  if (found.rejects.length < all) {
    print(
      paint(
        'dim',
        `(${formatCount(found.rejects.length)} of ${plural(all, 'row')}; see --limit, --window and --rule)\n`,
      ),
    )
  }
}

/**
 * @throws {ConfigError} terminal: a text that is not a window of any pipeline, which would look like one without
 * rejects
 */
function requireWindow(text: string | undefined): void {
  if (text === undefined) return
  if (WINDOW_LENGTHS.some((every) => parseWindow({ every, timeZone: 'UTC' }, text) !== undefined)) return
  throw new ConfigError('the window cannot be used', [
    `--window is ${text}: expected a day written as ${EXAMPLES.day}, a month as ${EXAMPLES.month} or an hour as ${EXAMPLES.hour}`,
  ])
}

/** @throws {ConfigError} terminal: a month where the windows are days, so that no row can match */
async function requireSameLength(session: SqlSession, relation: string, window: string | undefined): Promise<void> {
  const [known] = await session.rows<{ window_label: string }>(`SELECT window_label FROM ${relation} LIMIT 1`)
  if (window === undefined || known === undefined) return
  const every = lengthOf(known.window_label)
  if (lengthOf(window) === every) return
  throw new ConfigError('the window cannot be used', [
    `--window is ${window}: expected ${every === 'hour' ? 'an' : 'a'} ${every} written as ${EXAMPLES[every]}`,
  ])
}

function lengthOf(label: string): WindowLength {
  if (label.includes('T')) return 'hour'
  return label.length === EXAMPLES.month.length ? 'month' : 'day'
}

/** The windows in which runs wrote to a table, or rejected its rows, from the first on. */
async function windowsOf(lake: Lake, named: LakeTable): Promise<readonly string[]> {
  const tables = [await refinedTable(lake, named), await rejectsTable(lake, named)]
  const snapshots = await Promise.all(tables.map(async (table) => await table.snapshot()))
  const begin = `${named.pipeline}@`
  const tasks = snapshots.flatMap((snapshot) => [...(snapshot?.txns.keys() ?? [])])
  const labels = tasks
    .filter((task) => task.startsWith(begin))
    .map((task) => task.slice(begin.length).split('/')[0] ?? '')
  return [...new Set(labels)].sort()
}

/** @throws {ConfigError} terminal: a window without a run, which would look like one without rejects */
function requireRun(dataset: string, window: string | undefined, known: readonly string[]): void {
  const [first, last] = [known[0], known.at(-1)]
  if (window === undefined || first === undefined || last === undefined) return
  if (known.some((label) => isOfWindow(label, window))) return
  const expected = first === last ? first : `one of ${known.length}, from ${first} to ${last}`
  throw new ConfigError(`no run has made ${dataset} for the window`, [
    `--window is ${window}: expected ${expected}; list the runs with \`cinelake status\``,
  ])
}

/** @throws {ConfigError} terminal: rows were rejected, but none by this rule in any window */
async function requireRule(
  session: SqlSession,
  relation: string,
  { dataset, rule }: { readonly dataset: string; readonly rule: string | undefined },
): Promise<void> {
  if (rule === undefined) return
  const rows = await session.rows<{ rule: string }>(
    `SELECT DISTINCT unnest(rules) AS rule FROM ${relation} ORDER BY rule`,
  )
  const known = rows.map((row) => row.rule)
  if (known.length === 0 || known.includes(rule)) return
  const meant = closestName(rule, known)
  const hint = meant === undefined ? '' : `; did you mean \`${meant}\`?`
  throw new ConfigError(`no row of ${dataset} was ever rejected by the rule`, [
    `--rule is ${rule}: expected one of ${known.join(', ')}${hint}`,
  ])
}

async function find(session: SqlSession, relation: string, { window, rule, limit }: Options): Promise<Found> {
  const conditions = [
    ...(window === undefined ? [] : [ofWindow(window)]),
    ...(rule === undefined ? [] : [`list_contains(rules, ${literal(rule)})`]),
  ]
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
  const columns = new Set((await session.describe(`FROM ${relation}`)).map(({ name }) => name))
  // Tables of earlier releases have neither.
  const found = columns.has('found') ? 'found' : 'NULL AS found'
  const kept = columns.has('kept') ? 'coalesce(kept, false) AS kept' : 'false AS kept'
  return {
    counts: await session.rows<RuleCount>(
      `SELECT window_label, rule, ${kept}, count(*) AS count FROM ${relation} ${where} GROUP BY ALL ORDER BY window_label, kept, count DESC, rule`,
    ),
    rejects: await session.rows<Reject>(
      `SELECT window_label, rule, rules, file, line, ${found}, ${kept}, raw FROM ${relation} ${where} ORDER BY window_label DESC, kept, rule, file, line, raw LIMIT ${limit}`,
    ),
  }
}

/** An hour may be named without its offset. */
const isBareHour = (window: string) => /T\d{2}$/.test(window)

const isOfWindow = (label: string, window: string) => (isBareHour(window) ? label.startsWith(window) : label === window)

function ofWindow(window: string): string {
  return isBareHour(window) ? `starts_with(window_label, ${literal(window)})` : `window_label = ${literal(window)}`
}

function formatCounts(counts: readonly RuleCount[], layout: ReturnType<typeof layoutOf>): string {
  return formatTable(
    [{ title: 'window' }, { title: 'rule' }, { title: 'rows', align: 'right' }, { title: 'expected', maxWidth: 60 }],
    counts.map(({ window_label, rule, kept, count, expected }) => [
      window_label,
      kept ? `${rule} (warn)` : rule,
      formatCount(count),
      expected ?? '',
    ]),
    layout,
  )
}

function formatRejects(
  rows: readonly Reject[],
  meaning: RuleMeaning,
  paint: CommandContext['terminal']['paint'],
): string {
  return rows
    .map(({ window_label, rules, file, line, found, kept, raw }) => {
      const place = line === null ? (file ?? '') : `${file ?? ''}:${line}`
      const reasons = rules.flatMap((rule, index) => reasonOf(found?.[index] ?? '', meaning(rule)))
      const told = reasons.map((reason) => `    ${formatCell('found', reason)}\n`).join('')
      return `${window_label}  ${paint('bold', place)}  ${paint('yellow', rules.join(', '))}${kept ? '  warn, not rejected' : ''}\n${told}    ${paint('dim', formatCell('raw', raw))}\n`
    })
    .join('')
}

/** `score=87.0, expected 0…10`; empty where the actual value is not known. */
function reasonOf(found: string, expected: string | undefined): string[] {
  if (found === '') return []
  return [expected === undefined ? found : `${found}, expected ${expected}`]
}

function narrowed({ window, rule }: Options): string {
  const by = [...(window === undefined ? [] : [`in ${window}`]), ...(rule === undefined ? [] : [`by ${rule}`])]
  return by.length === 0 ? '' : ` ${by.join(' ')}`
}

/** The condition of a rule in a few words; undefined for a rule that the current text does not have. */
type RuleMeaning = (rule: string) => string | undefined

/** The conditions of the rules of a dataset or model, by the newest text of its pipeline in the lake. */
export async function ruleMeanings(lake: Lake, { pipeline, table }: LakeTable): Promise<RuleMeaning> {
  const text = await newestText(lake, pipeline)
  const dataset = text?.datasets.find(({ name }) => name === table)
  const columns = new Map((dataset?.contract.columns ?? []).map((column) => [column.name, column]))
  const model = text?.models.find(({ name }) => name === table)
  const rowRules = dataset?.contract.rowRules ?? model?.rowRules ?? []
  const expressions = new Map(rowRules.map(({ name, expression }) => [name, inShort(expression)]))
  return (rule) => {
    const [, check, name = ''] = /^(type|required|maxLength|unique)\((.*)\)$/.exec(rule) ?? []
    const column = columns.get(name)
    if (rule === 'row_shape') return 'as many fields as the header, quotes that close'
    if (rule === 'header_row') return 'values, not the names of the columns'
    if (rule === 'encoding') return 'bytes of the encoding of the file'
    if (check === 'unique') return 'each key once'
    if (check === 'required') return 'a value'
    if (check === 'maxLength' && column?.maxLength !== undefined) return `at most ${column.maxLength} characters`
    if (check === 'type') return typeOf(column) ?? model?.columns.find((one) => one.name === name)?.type
    return expressions.get(rule)
  }
}

/** `0…10` for a condition that is a range of one column; other conditions as they are written. */
function inShort(expression: string): string {
  const text = expression.replaceAll(/\s+/g, ' ').trim()
  const { low, high } = RANGES.map((range) => range.exec(text)).find((found) => found !== null)?.groups ?? {}
  return low === undefined || high === undefined ? text : `${low}…${high}`
}

const RANGES = [
  /^(?:"[^"]+"|\w+) BETWEEN (?<low>-?[\d.]+) AND (?<high>-?[\d.]+)$/i,
  /^(?<column>"[^"]+"|\w+) >= (?<low>-?[\d.]+) AND \k<column> <= (?<high>-?[\d.]+)$/i,
]

type Column = CheckedPipeline['datasets'][number]['contract']['columns'][number]

/** `DATE as %Y-%m-%d, %d/%m/%Y` */
function typeOf(column: Column | undefined): string | undefined {
  const formats = column?.reading.formats ?? []
  return formats.length === 0 ? column?.type : `${column?.type ?? ''} as ${formats.join(', ')}`
}

const FROZEN = /^pipelines\/[^/]+\/([0-9a-f]{64})\.json$/

/** Without it the rejects are shown all the same. */
async function newestText(lake: Lake, name: string): Promise<CheckedPipeline | undefined> {
  let newest: { readonly path: string; readonly digest: string; readonly modifiedAt: Date } | undefined
  for await (const { path, modifiedAt } of lake.list(`pipelines/${name}`)) {
    const digest = FROZEN.exec(path)?.[1]
    if (digest === undefined || (newest !== undefined && newest.modifiedAt >= modifiedAt)) continue
    newest = { path, digest, modifiedAt }
  }
  if (newest === undefined) return undefined
  try {
    return await loadPipeline(lake, { name, digest: newest.digest })
  } catch (error) {
    if (error instanceof PipelineError) return undefined
    throw error
  }
}
