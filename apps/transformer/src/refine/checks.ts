import type { QualityResult } from '@cinelake/contracts'
import { balanceErrors, balanceHolds, type Balance, type Window } from '@cinelake/core'
import type { SqlSession } from '@cinelake/engine'
import type { CheckedDataset } from '@cinelake/pipeline'
import { type DedupedRows } from './dedupe.ts'
import { RuleFailedError, TooManyRejectedError } from './errors.ts'
import { tooManyRejected } from './rejected-share.ts'
import { placesOfRejects } from './rejects.ts'
import { firstRuleIn, HEADER_ROW, RULES, rulesIn, stagedRelation, WARNED } from './stage-sql.ts'
import type { StagedFile } from './staged-file.ts'
import { twinQuality } from './twin-keys.ts'
import { askTableRules } from '../table-rule.ts'

export type RefineChecks = {
  readonly balance: Balance
  /** Rejected rows by the first rule that they break. */
  readonly rejects: Readonly<Record<string, number>>
  readonly quality: readonly QualityResult[]
}

type Deps = { readonly session: SqlSession; readonly signal: AbortSignal; readonly window: Window }
type Work = { readonly dataset: CheckedDataset; readonly files: readonly StagedFile[]; readonly rows: DedupedRows }

/**
 * Reconciles the row counts and checks the rules of the contract before anything is published.
 * @throws {BALANCE_BROKEN} terminal: rows are unaccounted for
 * @throws {RuleFailedError} terminal: a rule of severity `fail` is broken
 * @throws {TooManyRejectedError} terminal: more rows are rejected than the dataset allows
 */
export async function checkRefined(work: Work, deps: Deps): Promise<RefineChecks> {
  const { dataset, files, rows } = work
  // A row that marks another as deleted comes out as the absence of that row.
  const deletedCount = sum(files.map(({ deleted }) => deleted?.rowCount ?? 0))
  const balance: Balance = {
    unit: 'rows',
    in: sum(files.map(({ rowCount }) => rowCount)) + deletedCount,
    out: (await numberOf(`SELECT count(*) FROM (${rows.query})`, deps)) + deletedCount,
    rejected: sum(files.map(({ rejectedCount }) => rejectedCount)),
    duplicates: rows.duplicateCount,
  }
  if (!balanceHolds(balance))
    throw balanceErrors.BALANCE_BROKEN({ dataset: dataset.name }, balance, 'report this with the file')
  const quality = [
    ...fileQuality(files),
    ...(await rowQuality(work, balance, deps)),
    ...twinQuality(dataset, rows.twins, { checked: balance.in, duplicateCount: balance.duplicates }),
    ...(await askTableRules(dataset.contract.tableRules, rows.query, deps)),
  ]
  const failed = quality.find(({ severity, failed }) => severity === 'fail' && failed > 0)
  if (failed !== undefined) {
    const isAboutRows = dataset.contract.rowRules.some(({ name }) => name === failed.rule)
    throw new RuleFailedError({ dataset: dataset.name, window: deps.window.label, isAboutRows }, failed, quality)
  }
  const rejects = await countRules(work, firstRuleIn(RULES), deps)
  const expected = tooManyRejected(dataset, balance)
  if (expected !== undefined) {
    const about = { dataset: dataset.name, window: deps.window.label, expected }
    throw new TooManyRejectedError(about, balance, rejects, quality)
  }
  return { balance, rejects, quality }
}

/** Columns of the files' headers that are not in the contract, and missing ones. */
function fileQuality(files: readonly StagedFile[]): QualityResult[] {
  const about = (rule: string, pick: (file: StagedFile) => readonly string[], verb: string): QualityResult[] => {
    const found = files.filter((file) => pick(file).length > 0)
    const failed = sum(found.map(({ names }) => names.length))
    if (failed === 0) return []
    const told = found.flatMap((file) =>
      file.names.slice(0, NAMED).map((name) => `${name} ${verb} ${pick(file).join(', ')}`),
    )
    const detail = told.join('; ').slice(0, DETAIL_LENGTH)
    return [{ rule, severity: 'warn', checked: sum(files.map(({ names }) => names.length)), failed, detail }]
  }
  return [
    ...about('unknown_columns', ({ unknown }) => unknown, 'has in addition to the contract:'),
    ...about('missing_columns', ({ missing }) => missing, 'lacks:'),
    ...encodingQuality(files),
    ...footerQuality(files),
  ]
}

/** Files that are not UTF-8 and whose encoding is not declared. */
function encodingQuality(files: readonly StagedFile[]): QualityResult[] {
  const guessed = files.flatMap((file) => [...(file.guessed ?? [])])
  if (guessed.length === 0) return []
  const told = guessed.slice(0, NAMED).map(([name, { encoding, oddCount, sizeBytes }]) => {
    const share = ((100 * oddCount) / sizeBytes).toPrecision(2)
    return `${name} was taken for ${encoding}, since ${oddCount} of its ${sizeBytes} bytes (${share}%) are not UTF-8`
  })
  const detail = `${told.join('; ')}; name the encoding with \`read.encoding\``.slice(0, DETAIL_LENGTH)
  const checked = sum(files.map(({ names }) => names.length))
  return [{ rule: 'guessed_encoding', severity: 'warn', checked, failed: guessed.length, detail }]
}

/** What is declared to be no rows is in no balance: it is counted here. */
function footerQuality(files: readonly StagedFile[]): QualityResult[] {
  const found = files.filter(({ footerCount = 0 }) => footerCount > 0)
  if (found.length === 0) return []
  const told = found
    .slice(0, NAMED)
    .map(({ names, footerCount = 0 }) => `${footerCount} at the end of ${names.join(', ')}`)
  const detail = `records that are no rows by \`read.footer\`: ${told.join('; ')}`.slice(0, DETAIL_LENGTH)
  return [{ rule: 'footer', severity: 'warn', checked: files.length, failed: 0, detail }]
}

/** Most files of one kind that a detail names. */
const NAMED = 20

/** Characters. Details travel in events. */
const DETAIL_LENGTH = 1000

/** The contract's row rules, broken or not, and the other reasons for rejects. */
async function rowQuality({ dataset, files }: Work, balance: Balance, deps: Deps): Promise<QualityResult[]> {
  const counts = await countRules({ dataset, files }, `unnest(${rulesIn(RULES)})`, deps)
  const { rowRules } = dataset.contract
  const warned = await countRules({ dataset, files }, `unnest(${rulesIn(WARNED)})`, deps, WARNED)
  const named = new Set(rowRules.map(({ name }) => name))
  const own = Object.entries(counts).filter(([rule]) => !named.has(rule))
  const headerCount = warned[HEADER_ROW] ?? 0
  return [
    ...own.map(([rule, failed]): QualityResult => ({ rule, severity: 'error', checked: balance.in, failed })),
    ...(headerCount === 0
      ? []
      : [headerQuality(headerCount, balance, await placesOfRejects(HEADER_ROW, PLACES, deps))]),
    ...(await Promise.all(
      rowRules.map(async ({ name, severity }): Promise<QualityResult> => {
        const failed = (severity === 'warn' ? warned : counts)[name] ?? 0
        const result: QualityResult = { rule: name, severity, checked: balance.in, failed }
        if (failed === 0 || severity === 'error') return result
        return { ...result, detail: describeBroken(result, await placesOfRejects(name, PLACES, deps)) }
      }),
    )),
  ]
}

/** In a file with one column the name of the column may be a value. */
function headerQuality(failed: number, { in: checked }: Balance, places: readonly string[]): QualityResult {
  const more = failed > places.length ? ', …' : ''
  const detail = `${failed} of ${checked} rows have the name of the column, and are kept: ${places.join(', ')}${more}`
  return { rule: HEADER_ROW, severity: 'warn', checked, failed, detail: detail.slice(0, DETAIL_LENGTH) }
}

/** Most rows that a result names. */
const PLACES = 3

function describeBroken({ failed, checked }: QualityResult, places: readonly string[]): string {
  const more = failed > places.length ? ', …' : ''
  const text = `expected every row to keep it, got ${failed} of ${checked} that ${failed === 1 ? 'does' : 'do'} not: ${places.join(', ')}${more}`
  return text.slice(0, DETAIL_LENGTH)
}

async function countRules(
  { dataset, files }: Pick<Work, 'dataset' | 'files'>,
  rule: string,
  { session, signal }: Deps,
  broken = RULES,
): Promise<Record<string, number>> {
  if (files.every(({ rejectedCount, warnedCount }) => (broken === WARNED ? warnedCount : rejectedCount) === 0))
    return {}
  const paths = files.map(({ path }) => path)
  const found = await session.rows<{ rule: string; failed: number }>(
    `SELECT rule, count(*) AS failed FROM (SELECT ${rule} AS rule FROM ${stagedRelation(paths, dataset.contract)} WHERE ${broken} IS NOT NULL) GROUP BY rule ORDER BY failed DESC, rule`,
    { signal },
  )
  return Object.fromEntries(found.map((row) => [row.rule, row.failed]))
}

async function numberOf(sql: string, { session, signal }: Deps): Promise<number> {
  const [row = {}] = await session.rows<Record<string, number>>(sql, { signal })
  return Object.values(row)[0] ?? 0
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
