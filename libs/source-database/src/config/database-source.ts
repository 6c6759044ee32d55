import type { TableName } from '@cinelake/contracts'
import { compilePattern, repeat, sequence, type Pattern } from '@cinelake/core'
import {
  agentQueue,
  checkUrl,
  commonDataset,
  site,
  siteOf,
  type SourceConfig,
  type SourcePlace,
} from '@cinelake/source-kind'
import {
  AS_SECRET,
  duration,
  durationMs,
  mapping,
  mayBeSecret,
  passwordIn,
  tableName,
  template,
  text,
} from '@cinelake/config-text'
import { z } from 'zod'

export const TableSplit = z.object({
  /** Number of ranges, of about equal row counts. */
  ranges: z.int().min(2),
  /** A column with few equal values; if absent, the first column of the primary key. */
  column: z.string().optional(),
  /** Tables with fewer rows than this, by the database's estimate, are read in one query. */
  minRows: z.int().min(0),
  /** Whether a task that was killed resumes with the missing ranges, which are then of a later snapshot. */
  resume: z.boolean(),
})
export type TableSplit = z.infer<typeof TableSplit>

/** How completeness is verified, apart from counting the rows that were read. */
export const TableVerification = z.enum([
  /** The database counts the same rows a second time. */
  'count',
  /** In addition, the database sends a digest of each row, and the files are compared with the rows that were read, value by value. */
  'checksum',
])
export type TableVerification = z.infer<typeof TableVerification>

/** What becomes of digits of a second beyond microseconds, which SQL Server's times may have. */
export const SubMicroseconds = z.enum([
  /** The value does not fit: its row is rejected. */
  'reject',
  'cut',
])
export type SubMicroseconds = z.infer<typeof SubMicroseconds>

export const TableIncrement = z.object({
  /**
   * A time: rows in [end of the previous window, end of this window). A number or a `rowversion`: rows above the highest value
   * that the previous window read.
   */
  column: z.string(),
  /** Rows also count as new if one of these columns lies in the range. Times only. */
  orColumns: z.array(z.string()).optional(),
  /** How far the start of the range is moved back. Times: milliseconds. */
  overlapMs: z.int().min(0).optional(),
  /** Numbers: in the column's unit. */
  overlapBy: z.int().min(0).optional(),
})
export type TableIncrement = z.infer<typeof TableIncrement>

export const DatabaseDataset = z.object({
  name: z.string(),
  table: z.object({ schema: z.string(), name: z.string() }),
  /** Only new rows are read. Without it, and without change tracking, the whole table. */
  incremental: TableIncrement.optional(),
  /** SQL Server's Change Tracking says which rows were written or deleted since the previous window. */
  changeTracking: z.boolean().optional(),
  split: TableSplit.optional(),
  verify: TableVerification.optional(),
  subMicroseconds: SubMicroseconds.optional(),
})
export type DatabaseDataset = z.infer<typeof DatabaseDataset>

export const DatabaseSource = z.object({
  type: z.literal('database'),
  name: z.string(),
  /** `postgres://user:password@host:port/database` or `mssql://…`; the password as `${secret:NAME}`. */
  url: template,
  site: z.string().optional(),
  /** The discovered tables that are copied: `schema.table` patterns with `*`. */
  include: z.array(z.string()),
  exclude: z.array(z.string()),
  views: z.boolean().optional(),
  /** Concurrent connections of one agent; if absent, as many as it has tasks. */
  maxConnections: z.int().min(1).optional(),
  /** Timeout for the next part of an answer from the database. */
  timeoutMs: z.int().min(1).optional(),
  /** All tables of a run are read from one consistent snapshot, which one agent holds for so long. */
  snapshot: z.object({ keepForMs: z.int().min(1) }).optional(),
  /** For tables without a `split` of their own. */
  split: TableSplit.optional(),
  /** For tables without a `verify` of their own. */
  verify: TableVerification.optional(),
  /** For tables without one of their own; if absent, `reject`. */
  subMicroseconds: SubMicroseconds.optional(),
  datasets: z.array(DatabaseDataset),
})
export type DatabaseSource = z.infer<typeof DatabaseSource>

/** Ranges of one table. More connections harm the database more than they help. */
const MAX_RANGES = 256

const splitRanges = z
  .int()
  .min(2, 'expected at least two ranges')
  .max(MAX_RANGES, `expected at most ${MAX_RANGES} ranges`)
  .describe('How many ranges, of about as many rows each.')
const splitMinRows = z
  .int()
  .min(0)
  .optional()
  .describe('Tables that the database takes for smaller are read in one go. Default: 1000000.')
const splitResume = z
  .boolean()
  .optional()
  .describe(
    'A task that was killed resumes with the missing ranges, as they are then. Default: `true`. `false`: it starts over, and the table is of one moment.',
  )

const verify = TableVerification.optional().describe(
  'Beyond counting what is read: `count` has the database count as well, `checksum` also compares every value.',
)

const subMicroseconds = SubMicroseconds.optional().describe(
  'SQL Server: what becomes of the seventh digit of a second, which times in the lake do not have: `reject` the row unless it is 0 (default), or `cut` it off.',
)

const databaseDataset = mapping({
  table: text.describe('`schema.table` in the database.'),
  incremental: z
    .union([text, z.array(text).min(1, 'expected at least one column')])
    .optional()
    .describe(
      'Column by which new rows are told: a time, a number that only grows, or a `rowversion`. Several times: one of them.',
    ),
  overlap: z
    .union([duration, z.int().min(0)])
    .optional()
    .describe('How far before the end of the last window the reading begins: `2h`; for numbers `1000`. Default: none.'),
  changeTracking: z
    .boolean()
    .optional()
    .describe('SQL Server: Change Tracking tells which rows were written and deleted. Default: `false`.'),
  split: mapping({
    ranges: splitRanges,
    column: text.optional().describe('Default: the first column of the primary key.'),
    minRows: splitMinRows.describe('Tables that the database takes for smaller are read in one go. Default: 0.'),
    resume: splitResume,
  })
    .optional()
    .describe('Reads a large table in ranges of a key, several at once.'),
  verify,
  subMicroseconds,
  ...commonDataset,
})

const DatabaseSourceText = mapping({
  type: z.literal('database'),
  url: mayBeSecret(text, 'databaseAddress').describe('`postgres://user:${secret:NAME}@host/database`, or `mssql://…`'),
  site,
  maxConnections: z
    .int()
    .min(1, 'expected at least one connection')
    .optional()
    .describe('Connections that one agent opens at once. Default: one for each of its tasks.'),
  timeout: duration
    .optional()
    .describe('The longest that the database may take for the next piece of an answer. Default: `10m`.'),
  snapshot: mapping({
    keepFor: duration
      .optional()
      .describe('The longest that the moment is held, on a connection of its own. Default: `1h`.'),
  })
    .optional()
    .describe('PostgreSQL: all tables of a run are read as of one moment. Default: each table as of its own.'),
  split: mapping({ ranges: splitRanges, minRows: splitMinRows, resume: splitResume })
    .optional()
    .describe('Reads every table that is large enough, and has a key for it, in ranges.'),
  verify,
  subMicroseconds,
  tables: mapping({
    include: z
      .array(text)
      .optional()
      .describe('`schema.table` patterns with `*` of tables that are copied without being declared. Default: none.'),
    exclude: z.array(text).optional().describe('Patterns of tables that are not.'),
    views: z.boolean().optional().describe('Whether the patterns mean views as well. Default: `false`.'),
  }).optional(),
  datasets: z.record(tableName, databaseDataset).optional(),
})

type DatabaseSourceText = z.infer<typeof DatabaseSourceText>
type DatabaseDatasetText = z.infer<typeof databaseDataset>

/** Rows. A smaller table is read faster than its ranges can be determined. */
const SPLIT_MIN_ROWS = 1_000_000

/** Long enough for most databases, and short enough that dead row versions do not pile up. */
const SNAPSHOT_KEEP_FOR = '1h'

function readDatabaseSource(name: string, source: DatabaseSourceText, place: SourcePlace): DatabaseSource {
  checkAddress(source.url, place)
  const datasets = Object.entries(source.datasets ?? {}).map(([dataset, details]) =>
    readDataset(dataset, details, source.url, { ...place, path: [...place.path, 'datasets', dataset] }),
  )
  checkPatterns(source, place)
  checkSnapshot(source, place)
  const { maxConnections, timeout, snapshot, split, verify, subMicroseconds: digits } = source
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
    ...(digits === undefined ? {} : { subMicroseconds: digits }),
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
  const { table, changeTracking = false, split, verify, subMicroseconds: digits } = details
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
    ...(digits === undefined ? {} : { subMicroseconds: digits }),
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

type Patterns = { readonly include: readonly string[]; readonly exclude: readonly string[] }

/** Whether a discovered table is one that the source copies: matched by `include` and not by `exclude`. */
export function isWanted(source: Patterns, table: TableName): boolean {
  const name = `${table.schema}.${table.name}`
  const matches = (pattern: string) => compilePattern(tablePattern(pattern)).match(name) !== undefined
  return source.include.some(matches) && !source.exclude.some(matches)
}

/** The wanted tables that no dataset declares, in order of their names. */
export function undeclaredTables(
  source: Patterns & { readonly datasets: readonly { readonly table: TableName }[] },
  tables: readonly TableName[],
): TableName[] {
  return tables
    .filter((table) => isWanted(source, table) && !source.datasets.some((dataset) => isSame(dataset.table, table)))
    .sort(byName)
}

const isSame = (one: TableName, other: TableName) => one.schema === other.schema && one.name === other.name

/** By code unit, so that the order does not depend on a machine's locale. */
function byName(one: TableName, other: TableName): number {
  const [left, right] = [`${one.schema}.${one.name}`, `${other.schema}.${other.name}`]
  return left < right ? -1 : left > right ? 1 : 0
}

/** `*` matches any text; case is ignored. */
function tablePattern(pattern: string): Pattern {
  const any = repeat({ kind: 'char', test: () => true })
  return sequence(
    ...pattern.split('*').flatMap((text, index) => [...(index > 0 ? [any] : []), ...Array.from(text, caseless)]),
  )
}

function caseless(own: string): Pattern {
  const expression = new RegExp(`^${RegExp.escape(own)}$`, 'isu')
  return { kind: 'char', test: (char) => char === own || expression.test(char) }
}

export const databaseConfig = {
  type: 'database',
  text: DatabaseSourceText,
  checked: DatabaseSource,
  read: readDatabaseSource,
  plan: ({ site, datasets }) => ({
    queue: agentQueue(site),
    ingests: datasets.map(({ name, table, incremental, changeTracking = false }) => ({
      dataset: name,
      after: [],
      table,
      incremental: incremental !== undefined || changeTracking,
      ...(changeTracking ? { ofChanges: true } : {}),
    })),
  }),
  discovery: {
    copiesMore: ({ include }) => include.length > 0,
    undeclared: (source, tables) => undeclaredTables(source, tables),
  },
} as const satisfies SourceConfig<DatabaseSourceText, DatabaseSource>
