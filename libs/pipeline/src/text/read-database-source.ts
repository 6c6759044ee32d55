import type { DatabaseDataset, DatabaseSource, TableIncrement, TableSplit } from '../checked/database-source.ts'
import type { DatabaseDatasetText, DatabaseSourceText } from './database-source-schema.ts'
import { AS_SECRET } from './check-shape.ts'
import { durationMs } from './duration.ts'
import { passwordIn } from './secret-names.ts'
import { checkUrl, siteOf, type SourcePlace } from './source-place.ts'

/** Rows. Below that a table is read before its ranges are found out. */
const SPLIT_MIN_ROWS = 1_000_000

/** Long enough for most databases, and not so long that what writers leave behind piles up. */
const SNAPSHOT_KEEP_FOR = '1h'

export function readDatabaseSource(name: string, source: DatabaseSourceText, place: SourcePlace): DatabaseSource {
  checkAddress(source.url, place)
  const datasets = Object.entries(source.datasets ?? {}).map(([dataset, details]) =>
    readDataset(dataset, details, source.url, { ...place, path: [...place.path, 'datasets', dataset] }),
  )
  checkPatterns(source, place)
  checkSnapshot(source, place)
  const { maxConnections, timeout, snapshot, split, verify } = source
  return {
    type: 'database',
    name,
    url: source.url,
    ...siteOf(source),
    include: source.tables?.include ?? [],
    exclude: source.tables?.exclude ?? [],
    ...(source.tables?.views === true ? { views: true } : {}),
    ...(maxConnections === undefined ? {} : { maxConnections }),
    ...(timeout === undefined ? {} : { timeoutMs: durationMs(timeout) }),
    ...(snapshot === undefined ? {} : { snapshot: { keepForMs: durationMs(snapshot.keepFor ?? SNAPSHOT_KEEP_FOR) } }),
    ...(split === undefined ? {} : { split: splitOf(split) }),
    ...(verify === undefined ? {} : { verify }),
    datasets,
  }
}

function checkAddress(url: string, { text, path, problems }: SourcePlace): void {
  checkUrl(url, DATABASE_SCHEMES, { text, path: [...path, 'url'], problems })
  const password = passwordIn(url)
  if (password !== undefined && !/^\$\{secret:[^}]*\}$/.test(password)) {
    problems.error(text.at([...path, 'url']), 'the password is not kept as a secret', AS_SECRET)
  }
}

function checkSnapshot({ url, snapshot }: DatabaseSourceText, { text, path, problems }: SourcePlace): void {
  if (snapshot === undefined || !url.startsWith('mssql')) return
  problems.error(
    text.at([...path, 'snapshot']),
    'connections to SQL Server cannot see the moment of another one',
    'leave `snapshot` out, and name a database snapshot (CREATE DATABASE … AS SNAPSHOT OF …) in `url` where all tables have to be of one moment',
  )
}

function checkPatterns(source: DatabaseSourceText, { text, path, problems }: SourcePlace): void {
  for (const key of ['include', 'exclude'] as const) {
    for (const [index, pattern] of (source.tables?.[key] ?? []).entries()) {
      if (pattern.includes('.')) continue
      problems.error(
        text.at([...path, 'tables', key, index]),
        `the pattern '${pattern}' has no schema`,
        `expected \`schema.table\` with \`*\` for any text, such as \`${defaultSchema(source.url)}.${pattern}\``,
      )
    }
  }
}

function readDataset(name: string, details: DatabaseDatasetText, url: string, place: SourcePlace): DatabaseDataset {
  const { text, path, problems } = place
  const { table, changeTracking = false, split, verify } = details
  const [schema, ...rest] = table.split('.')
  const tableName = rest.join('.')
  if (schema === undefined || schema === '' || tableName === '') {
    problems.error(
      text.at([...path, 'table']),
      `the table '${table}' has no schema`,
      `expected \`schema.table\`, such as \`${defaultSchema(url)}.${table}\``,
    )
  }
  checkIncrement(details, url, place)
  const incremental = incrementOf(details)
  return {
    name,
    table: { schema: schema ?? '', name: tableName },
    ...(incremental === undefined ? {} : { incremental }),
    ...(changeTracking ? { changeTracking } : {}),
    ...(split === undefined ? {} : { split: { ...splitOf(split, 0) } }),
    ...(verify === undefined ? {} : { verify }),
  }
}

function checkIncrement(details: DatabaseDatasetText, url: string, { text, path, problems }: SourcePlace): void {
  const { incremental, overlap, changeTracking = false, mode = 'snapshot' } = details
  if (overlap !== undefined && incremental === undefined) {
    problems.error(
      text.at([...path, 'overlap']),
      '`overlap` says nothing without `incremental`',
      'name the column by which new rows are told, or leave `overlap` out',
    )
  }
  if (overlap !== undefined && overlap !== 0 && mode === 'append') {
    problems.error(
      text.at([...path, 'overlap']),
      '`overlap` reads rows twice, and `mode: append` would keep them twice',
      'say `mode: merge`, which keeps each key once',
    )
  }
  if (!changeTracking) return
  const at = text.at([...path, 'changeTracking'])
  if (url.startsWith('postgres'))
    problems.error(at, 'PostgreSQL has no Change Tracking', 'name a column with `incremental`')
  if (incremental !== undefined)
    problems.error(at, '`changeTracking` and `incremental` both tell new rows', 'leave one of them out')
  if (mode !== 'merge')
    problems.error(at, `Change Tracking gives changes, which \`mode: ${mode}\` cannot apply`, 'say `mode: merge`')
}

function incrementOf({ incremental, overlap }: DatabaseDatasetText): TableIncrement | undefined {
  const [column, ...orColumns] = incremental === undefined ? [] : [incremental].flat()
  if (column === undefined) return undefined
  return {
    column,
    ...(orColumns.length === 0 ? {} : { orColumns }),
    ...(typeof overlap === 'string' ? { overlapMs: durationMs(overlap) } : {}),
    ...(typeof overlap === 'number' ? { overlapBy: overlap } : {}),
  }
}

type SplitText = NonNullable<DatabaseDatasetText['split']>

function splitOf(
  { ranges, column, minRows, resume = true }: Omit<SplitText, 'column'> & Partial<Pick<SplitText, 'column'>>,
  defaultMinRows = SPLIT_MIN_ROWS,
): TableSplit {
  return { ranges, ...(column === undefined ? {} : { column }), minRows: minRows ?? defaultMinRows, resume }
}

const DATABASE_SCHEMES = ['postgres', 'postgresql', 'mssql']
const defaultSchema = (url: string) => (url.startsWith('mssql') ? 'dbo' : 'public')
