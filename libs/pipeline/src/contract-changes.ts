import { identifier as quoted } from '@cinelake/sql'
import { fitsSql, isLossless, isNumber } from '@cinelake/core'
import { z } from 'zod'
import { asTable, WINDOW_COLUMN } from './check/tables.ts'
import type { CheckedDataset, CheckedModel } from './checked-pipeline.ts'

/** The requirements of a contract or a model on its table. */
export type WantedTable = {
  readonly name: string
  readonly columns: readonly WantedColumn[]
  readonly key: readonly string[]
  readonly partitionBy: readonly string[]
  /** Columns that the table may have and is to lose. */
  readonly dropped: readonly string[]
  /** The existing rows that a write keeps: all, those of other keys or partitions, or none. */
  readonly keeps: 'rows' | 'nothing'
  /** Whether a column with values may be dropped silently: if the result is computed from its inputs as a whole. */
  readonly isDerived: boolean
}

type WantedColumn = {
  readonly name: string
  readonly type: string
  readonly maxLength?: number | undefined
  readonly required: boolean
  readonly renamedFrom?: readonly string[] | undefined
}

/** The existing version of a table. */
type TableThere = {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly partitionBy: readonly string[]
  readonly rowCount: number
  /** Table properties; one of them records the contract of the last write. */
  readonly configuration: Readonly<Record<string, string>>
}

export type ChangeKind =
  | 'added'
  | 'widened'
  | 'renamed'
  | 'dropped'
  | 'narrowed'
  | 'retyped'
  | 'required'
  | 'optional'
  | 'keyChanged'
  | 'partitionChanged'

/** One difference between a contract and its table, with the consequence for existing rows. */
export type ContractChange = {
  readonly kind: ChangeKind
  /** By its name in the contract; for a dropped column, in the table. Columns of a key or of partitions in a list. */
  readonly column: string
  readonly from: string | null
  readonly to: string | null
  /** Whether existing rows lose nothing. Such a change is made with the next write. */
  readonly lossless: boolean
  /** As text, with the number of rows. */
  readonly consequence: string
  /** What to do about a change that is not lossless. */
  readonly remedy?: string
}

/** A change whose consequence depends on the existing values. */
type OpenChange = Pick<ContractChange, 'kind' | 'column' | 'from' | 'to'> & {
  /** SQL over the table's columns: rows that would lose information. `duplicates`: rows that share this key with another. */
  readonly doubt?: Doubt
  /** Whether the previous contract is unknown: then it counts as a change only if rows would lose information. */
  readonly isAssumed?: boolean
  readonly words: (rows: Rows) => Pick<ContractChange, 'consequence'> & { readonly remedy?: string }
}

type Doubt = { readonly when: string; readonly ifNewest?: boolean } | { readonly duplicates: readonly string[] }

/** @param doubtful rows that would lose information; undefined if they were not counted */
type Rows = { readonly all: number; readonly doubtful: number | undefined }

/** Table property: the contract of the last write, as far as the table itself does not show it. */
export const CONTRACT_PROPERTY = 'cinelake.contract'

const Written = z.object({
  /** By column: whether it is required, and the maximum length of text. */
  columns: z.record(z.string(), z.object({ required: z.boolean(), maxLength: z.number().optional() })),
  key: z.array(z.string()),
  /** Columns of an earlier contract that the table has kept, empty in newer rows. */
  former: z.array(z.string()),
})
type Written = z.infer<typeof Written>

/** The requirements of a dataset on its refined table. */
export function tableOfDataset({ name, contract, mode, partitionBy }: CheckedDataset): WantedTable {
  return {
    name,
    columns: contract.columns,
    key: contract.primaryKey,
    partitionBy,
    dropped: contract.dropped ?? [],
    keeps: mode === 'snapshot' ? 'nothing' : 'rows',
    isDerived: false,
  }
}

/** The requirements of a model on its refined table. */
export function tableOfModel(model: CheckedModel): WantedTable {
  const { name, key, partitionBy, dropped = [], materialization } = model
  return {
    name,
    columns: asTable(model.columns, materialization).map((column) => ({
      ...column,
      required: key.includes(column.name),
      renamedFrom: model.renamedFrom?.[column.name],
    })),
    key: materialization === 'history' ? [...key, 'valid_from'] : key,
    partitionBy,
    dropped,
    keeps: materialization === 'table' ? 'nothing' : 'rows',
    isDerived: materialization === 'table',
  }
}

/** The value of `CONTRACT_PROPERTY` for a table that is written by a contract. */
export function writtenBy({ columns, key }: WantedTable, former: readonly string[]): string {
  const noted = columns.map(({ name, required, maxLength }) => [
    name,
    { required, ...(maxLength === undefined ? {} : { maxLength }) },
  ])
  return JSON.stringify({ columns: Object.fromEntries(noted) as object, key, former })
}

function readWritten({ configuration }: TableThere): Written | undefined {
  const text = configuration[CONTRACT_PROPERTY]
  if (text === undefined) return undefined
  try {
    return Written.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

/** The number of rows that meet a condition, by its index; the number that share a key. Undefined if it cannot be counted. */
type CountRows = (doubts: readonly Doubt[]) => Promise<readonly (number | undefined)[]>

/**
 * Compares a contract with its table: every change with its consequence for existing rows.
 * @param count called once, and only if the consequence depends on values
 */
export async function contractChanges(
  wanted: WantedTable,
  there: TableThere,
  count: CountRows,
): Promise<readonly ContractChange[]> {
  const open = compare(wanted, there).flatMap((change) => {
    if (!isReplaced(change, wanted)) return change
    return change.isAssumed === true ? [] : replaced(change, wanted)
  })
  const doubts = open.flatMap(({ doubt }) => doubt ?? [])
  const counts = doubts.length === 0 || there.rowCount === 0 ? [] : await count(doubts)
  return open.flatMap(({ doubt, isAssumed, words, ...change }) => {
    const counted = doubt === undefined || there.rowCount === 0 ? 0 : counts[doubts.indexOf(doubt)]
    const lossless = counted === 0
    if (isAssumed === true && (lossless || counted === undefined)) return []
    const { consequence, remedy } = words({ all: there.rowCount, doubtful: counted })
    return [{ ...change, lossless, consequence, ...(lossless || remedy === undefined ? {} : { remedy }) }]
  })
}

/** If no row is kept, the only possible loss is a dropped column: unless it can be computed again from existing data. */
function isReplaced({ kind }: OpenChange, { keeps, isDerived }: WantedTable): boolean {
  return keeps === 'nothing' && (kind !== 'dropped' || isDerived)
}

function replaced({ kind, column, from, to }: OpenChange, { isDerived }: WantedTable): OpenChange {
  const how = isDerived ? 'the next run makes' : 'the next landing replaces'
  return { kind, column, from, to, words: ({ all }) => ({ consequence: `${how} all rows, ${all} as it is` }) }
}

/**
 * Counts the rows that would lose information, in one query.
 * @param relation the table's rows, as SQL
 * @param rows runs a query
 */
export async function countDoubts(
  doubts: readonly Doubt[],
  relation: string,
  rows: (sql: string) => Promise<readonly Readonly<Record<string, number | string>>[]>,
): Promise<number[]> {
  const [row = {}] = await rows(doubtsSql(doubts, relation))
  return doubts.map((_, index) => Number(row[`doubt_${index}`]))
}

/** SQL with one result row: for the doubt with index i a count `doubt_i`. */
function doubtsSql(doubts: readonly Doubt[], relation: string): string {
  const counts = doubts.map((doubt, index) => {
    if ('when' in doubt) {
      const count = (where: string) => `(SELECT count(*) FROM ${relation} AS t WHERE ${where})`
      const newest = `${quoted(WINDOW_COLUMN.name)} = (SELECT max(${quoted(WINDOW_COLUMN.name)}) FROM ${relation} AS t)`
      const rows = count(doubt.when)
      if (doubt.ifNewest !== true) return `${rows} AS doubt_${index}`
      return `CASE WHEN ${count(`(${doubt.when}) AND ${newest}`)} = 0 THEN 0 ELSE ${rows} END AS doubt_${index}`
    }
    const key = doubt.duplicates.map(quoted).join(', ')
    const shared = `(SELECT count(*) AS n FROM ${relation} AS t GROUP BY ${key} HAVING count(*) > 1)`
    return `(SELECT CAST(coalesce(sum(n), 0) AS BIGINT) FROM ${shared}) AS doubt_${index}`
  })
  return `SELECT ${counts.join(', ')}`
}

function compare(wanted: WantedTable, there: TableThere): OpenChange[] {
  const written = readWritten(there)
  const find = (name: string) => there.columns.find((column) => column.name.toLowerCase() === name.toLowerCase())
  const taken = new Set<string>()
  const formerNames = new Map<string, string>()
  const changes: OpenChange[] = []
  for (const column of wanted.columns) {
    const own = there.columns.find(({ name }) => name === column.name)
    const formers = [...(own === undefined ? [column.name] : []), ...(column.renamedFrom ?? [])]
    const renamed = formers.flatMap((name) => {
      const found = find(name)
      return found === undefined || wanted.columns.some((other) => other.name === found.name) ? [] : [found]
    })
    const [first] = own === undefined ? renamed : [own]
    for (const { name } of [...(own === undefined ? [] : [own]), ...renamed]) taken.add(name)
    if (first === undefined) {
      changes.push(addedColumn(column, wanted))
      continue
    }
    formerNames.set(column.name, first.name)
    changes.push(
      ...renamed.map((former) => renamedColumn(column, former, own)),
      ...typeChanges(column, first, wanted),
      ...ruleChanges(column, first, written, wanted),
    )
  }
  const gone = there.columns.filter(({ name }) => !taken.has(name) && name !== WINDOW_COLUMN.name)
  changes.push(...gone.flatMap((column) => goneColumn(column, wanted, written, there)))
  changes.push(...keyChanges(wanted, written, formerNames), ...partitionChanges(wanted, there, formerNames))
  return changes
}

const rowsOf = (count: number | undefined) =>
  count === undefined ? 'rows (not counted)' : `${count} ${count === 1 ? 'row' : 'rows'}`
const ofRows = ({ all, doubtful }: Rows) =>
  doubtful === undefined ? `of ${all} rows (not counted)` : `${doubtful} of ${rowsOf(all)}`
const rebuildOf = ({ name }: WantedTable) =>
  `\`cinelake rebuild DIR ${name}\` makes the table again, window by window, by the text as it is now`

function addedColumn(column: WantedColumn, wanted: WantedTable): OpenChange {
  const { name, type } = column
  const change = { kind: 'added', column: name, from: null, to: type } as const
  if (!column.required || wanted.keeps === 'nothing')
    return {
      ...change,
      words: ({ all }) => ({ consequence: `empty in ${rowsOf(all)}` }),
    }
  return {
    ...change,
    doubt: { when: 'true' },
    words: ({ all }) => ({
      consequence: `it is required, and would be missing in ${rowsOf(all)}`,
      remedy: `leave \`required\` out; or ${rebuildOf(wanted)}`,
    }),
  }
}

function renamedColumn(
  column: WantedColumn,
  former: { readonly name: string },
  own: { readonly name: string } | undefined,
): OpenChange {
  const change = { kind: 'renamed', column: column.name, from: former.name, to: column.name } as const
  if (own === undefined)
    return {
      ...change,
      words: ({ all }) => ({ consequence: `the values of ${rowsOf(all)} continue under the new name` }),
    }
  const [before, after] = [quoted(former.name), quoted(own.name)]
  return {
    ...change,
    doubt: {
      when: `${before} IS NOT NULL AND ${after} IS NOT NULL AND CAST(${before} AS VARCHAR) <> CAST(${after} AS VARCHAR)`,
    },
    words: (rows) => ({
      consequence:
        rows.doubtful === 0
          ? `the table has both columns: rows without a value in \`${own.name}\` take that of \`${former.name}\``
          : `the table has both columns, with different values in ${ofRows(rows)}`,
      remedy: `take \`renamedFrom\` out, and say \`dropped: [${former.name}]\` if \`${own.name}\` is right`,
    }),
  }
}

/** Delta tables have no type for times of day. */
const storedAs = (type: string): string => type.replace(/^(?:TIME|UUID|JSON)(?=$|\[)/, 'VARCHAR')

function typeChanges(
  column: WantedColumn,
  there: { readonly name: string; readonly type: string },
  wanted: WantedTable,
): OpenChange[] {
  const [from, to] = [there.type, storedAs(column.type)]
  if (from === to) return []
  const change = { column: column.name, from, to: column.type }
  if (isLossless(from, to))
    return [
      {
        ...change,
        kind: 'widened',
        words: ({ all }) => ({ consequence: `rewrites ${rowsOf(all)} with the wider type` }),
      },
    ]
  const value = quoted(there.name)
  const isNarrowed = from !== 'VARCHAR' && (isLossless(to, from) || (isNumber(from) && isNumber(to)))
  return [
    {
      ...change,
      kind: isNarrowed ? 'narrowed' : 'retyped',
      doubt: { when: `${value} IS NOT NULL AND NOT ${fitsSql(value, from, to)}` },
      words: (rows) => ({
        consequence:
          rows.doubtful === 0
            ? `every value of ${rowsOf(rows.all)} is the same in the new type`
            : `the value of ${ofRows(rows)} does not fit or would not be the same`,
        remedy: `keep ${from}; or ${rebuildOf(wanted)}`,
      }),
    },
  ]
}

function ruleChanges(
  column: WantedColumn,
  there: { readonly name: string; readonly type: string },
  written: Written | undefined,
  wanted: WantedTable,
): OpenChange[] {
  // A table of an earlier release does not record what was required: it may have been written under the current contract.
  if (written === undefined) return []
  const value = quoted(there.name)
  const before = written.columns[column.name] ?? written.columns[there.name]
  const changes: OpenChange[] = []
  if (column.required && before?.required !== true) {
    changes.push({
      kind: 'required',
      column: column.name,
      from: 'optional',
      to: 'required',
      doubt: { when: `${value} IS NULL` },
      words: (rows) => ({
        consequence:
          rows.doubtful === 0
            ? `no value is missing in ${rowsOf(rows.all)}`
            : `the value is missing in ${ofRows(rows)}`,
        remedy: `leave \`required\` out; or ${rebuildOf(wanted)}, and rows without a value become rejects`,
      }),
    })
  } else if (!column.required && before?.required === true) {
    const words = () => ({ consequence: 'rows without a value are let in from now on' })
    changes.push({ kind: 'optional', column: column.name, from: 'required', to: 'optional', words })
  }
  const [was, is] = [before?.maxLength, column.maxLength]
  if (is !== undefined && (was === undefined || was > is)) {
    changes.push({
      kind: 'narrowed',
      column: column.name,
      from: was === undefined ? 'VARCHAR' : `VARCHAR(${was})`,
      to: `VARCHAR(${is})`,
      doubt: { when: `length(CAST(${value} AS VARCHAR)) > ${is}` },
      words: (rows) => ({
        consequence:
          rows.doubtful === 0 ? `no text of ${rowsOf(rows.all)} is longer` : `the text of ${ofRows(rows)} is longer`,
        remedy: `allow longer texts; or ${rebuildOf(wanted)}, and rows with longer texts become rejects`,
      }),
    })
  } else if (was !== undefined && storedAs(column.type) === 'VARCHAR' && (is === undefined || is > was)) {
    const to = is === undefined ? 'VARCHAR' : `VARCHAR(${is})`
    const words = () => ({ consequence: 'longer texts are let in from now on' })
    changes.push({ kind: 'widened', column: column.name, from: `VARCHAR(${was})`, to, words })
  }
  return changes
}

/** A column that is in the table and not in the contract. */
function goneColumn(
  column: { readonly name: string; readonly type: string },
  wanted: WantedTable,
  written: Written | undefined,
  there: TableThere,
): OpenChange[] {
  const { name, type } = column
  const isNamed = wanted.dropped.some((one) => one.toLowerCase() === name.toLowerCase())
  if (!isNamed && written?.former.includes(name) === true) return []
  const change = { kind: 'dropped', column: name, from: type, to: null } as const
  if (isNamed)
    return [{ ...change, words: () => ({ consequence: 'the column goes with its values, as `dropped` says' }) }]
  // A table of an earlier release has kept columns that a contract dropped long ago: rows of its newest window have no values in them.
  const isAssumed = written === undefined && there.columns.some((one) => one.name === WINDOW_COLUMN.name)
  return [
    {
      ...change,
      isAssumed,
      doubt: { when: `${quoted(name)} IS NOT NULL`, ifNewest: isAssumed },
      words: (rows) => {
        if (rows.doubtful === 0) return { consequence: 'the column goes; it has no values' }
        const renamed = `say which column it is now (\`renamedFrom: ${name}\` there)`
        return {
          consequence: `removes the column with the values of ${ofRows(rows)}`,
          remedy: `${renamed}, or that it may go (\`dropped: [${name}]\`)`,
        }
      },
    },
  ]
}

function keyChanges(
  wanted: WantedTable,
  written: Written | undefined,
  formerNames: ReadonlyMap<string, string>,
): OpenChange[] {
  if (written === undefined || wanted.keeps === 'nothing') return []
  const now = wanted.key.map((name) => formerNames.get(name) ?? name)
  // The table's current names may be those in the contract before or after a renaming.
  const isSame =
    new Set(now).size === new Set(written.key).size &&
    wanted.key.every((name, index) => written.key.includes(name) || written.key.includes(now[index] ?? name))
  if (isSame) return []
  const change = {
    kind: 'keyChanged',
    column: wanted.key.join(', '),
    from: written.key.join(', '),
    to: wanted.key.join(', '),
  } as const
  if (wanted.key.length === 0)
    return [{ ...change, words: () => ({ consequence: 'rows are no longer told apart by a key' }) }]
  const isCoarser = now.every((name) => written.key.includes(name)) && wanted.key.every((name) => formerNames.has(name))
  if (isCoarser || written.key.length === 0)
    return [
      {
        ...change,
        doubt: { duplicates: now },
        words: (rows) => ({
          consequence:
            rows.doubtful === 0
              ? `no key of ${rowsOf(rows.all)} is there twice`
              : `the key is there more than once in ${ofRows(rows)}`,
          remedy: `keep the key; or ${rebuildOf(wanted)}`,
        }),
      },
    ]
  return [
    {
      ...change,
      doubt: { when: 'true' },
      words: ({ all }) => ({
        consequence: `rows that the new key tells apart have replaced one another by the old one; ${rowsOf(all)} left`,
        remedy: `keep the key; or ${rebuildOf(wanted)}`,
      }),
    },
  ]
}

function partitionChanges(
  wanted: WantedTable,
  there: TableThere,
  formerNames: ReadonlyMap<string, string>,
): OpenChange[] {
  const now = wanted.partitionBy.map((name) => formerNames.get(name) ?? name)
  if (now.join('\n') === there.partitionBy.join('\n')) return []
  const [from, to] = [there.partitionBy.join(', '), wanted.partitionBy.join(', ')]
  const words = ({ all }: Rows) => ({ consequence: `rewrites ${rowsOf(all)} in the new partitions` })
  return [{ kind: 'partitionChanged', column: to, from, to, words }]
}
