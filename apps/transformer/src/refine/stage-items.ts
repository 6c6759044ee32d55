import type { SqlEngine } from '@cinelake/engine'
import type { CheckedColumn, CheckedDataset, Exploded } from '@cinelake/pipeline'
import { literal } from '@cinelake/sql'
import { parentColumns } from '../read-records/explode-records.ts'
import { recordSource, writeRecords } from '../read-records/write-records.ts'
import { KIND, type Cell, type FoundRecord, type Kind, type RecordFile } from '../read-records/record.ts'
import { itemsOf } from '../read-value/list.ts'
import { asJson, isJsonNull, isNested } from '../read-value/path.ts'
import { trimmed } from '../read-value/text.ts'
import type { StageSource } from './stage-sql.ts'

/** A dataset as its parent's rows are read for it: the parent's key and the list alone. */
export function parentsOf(dataset: CheckedDataset, exploded: Exploded): CheckedDataset {
  return {
    ...dataset,
    contract: { ...dataset.contract, columns: parentColumns(exploded), rowRules: [], tableRules: [] },
  }
}

/**
 * A parent's rows as records with the cells of `parentColumns`, from a relation that the engine reads, once for each pass.
 * @param source with the columns of `parentsOf`
 */
export function parentRecords(source: StageSource, exploded: Exploded, engine: SqlEngine): RecordFile {
  const query = parentQuery(source, exploded)
  const kinds = exploded.key.map(kindOf)
  return {
    names: { found: [], unknown: [] },
    async *read(signal) {
      // Its own: the task's session takes no statement while rows are read.
      await using session = await engine.session()
      let row = 0
      for await (const batch of session.stream(query, { signal })) {
        yield batch.map((cells): FoundRecord => {
          row += 1
          const text = (name: string) => {
            const value = cells[name]
            return typeof value === 'string' ? value : null
          }
          const problem = text('problem')
          const given = kinds.map((kind, index) => cell(kind, text(`key${index}`)))
          const list = cell(KIND.json, text('list'))
          return {
            place: `row ${row}`,
            cells: [...given, list],
            ...(problem !== null && { problem }),
            raw: () => text('raw') ?? '',
          }
        })
      }
    },
  }
}

/**
 * A parent's records with their keys read as the parent's own rows have them, by the same SQL.
 * @param records with the cells of `parentColumns`
 * @param file scratch: the keys of all records, for as long as the result is read
 */
export async function withReadKeys(
  records: RecordFile,
  { parents, exploded, file }: { readonly parents: CheckedDataset; readonly exploded: Exploded; readonly file: string },
  { engine, signal }: { readonly engine: SqlEngine; readonly signal: AbortSignal },
): Promise<RecordFile> {
  const { dataset, key } = exploded
  const columns = parents.contract.columns.slice(0, key.length)
  const keys: RecordFile = {
    names: { found: [], unknown: [] },
    async *read(reading) {
      for await (const batch of records.read(reading))
        yield batch.map((record) => ({ ...record, cells: record.cells.slice(0, key.length) }))
    },
  }
  const written = await writeRecords(keys, columns, file, signal)
  const source = recordSource(written, { ...parents, contract: { ...parents.contract, columns } })
  const values = source.columns.flatMap(({ value, text }, index) => [
    `CAST(${value} AS VARCHAR) AS key${index}`,
    `${text} AS text${index}`,
  ])
  const query = `SELECT ${values.join(', ')} FROM ${source.relation}`
  const kinds = key.map(kindOf)
  return {
    get names() {
      return records.names
    },
    async *read(reading) {
      await using session = await engine.session()
      const rows = rowsOf(session.stream(query, { signal: reading }))
      for await (const batch of records.read(reading)) {
        const found: FoundRecord[] = []
        for (const record of batch) {
          const { value: row = {} } = await rows.next()
          if (record.problem === undefined) found.push(keyed(record, row))
          else found.push(record)
        }
        yield found
      }
    },
  }

  function keyed(record: FoundRecord, row: Record<string, unknown>): FoundRecord {
    const textOf = (name: string) => {
      const value = row[name]
      return typeof value === 'string' ? value : null
    }
    const wrong = key.find((_, index) => textOf(`key${index}`) === null && textOf(`text${index}`) !== null)
    if (wrong !== undefined)
      return {
        ...record,
        cells: [],
        problem: `a value in the key \`${wrong.name}\` of \`${dataset}\` that is not of its type`,
      }
    const given = kinds.map((kind, index) => cell(kind, textOf(`key${index}`)))
    return { ...record, cells: [...given, ...record.cells.slice(key.length)] }
  }
}

async function* rowsOf<Row>(batches: AsyncIterable<readonly Row[]>): AsyncGenerator<Row> {
  for await (const batch of batches) yield* batch
}

function cell(kind: Kind, text: string | null): Cell {
  return text === null ? null : { kind, text }
}

function kindOf({ type }: CheckedColumn): Kind {
  if (type === 'BOOLEAN') return KIND.boolean
  return /^(?:BIGINT|INTEGER|DOUBLE|DECIMAL)/.test(type) ? KIND.number : KIND.text
}

/** One level of the query for each step, since an expression that is used twice would be computed twice. */
function parentQuery({ relation, columns, unread = [] }: StageSource, { key, field }: Exploded): string {
  const keys = columns.slice(0, key.length)
  const list = columns[key.length] ?? { value: 'NULL', text: 'NULL' }
  const values = keys.flatMap(({ value, text }, index) => [
    `CAST(${value} AS VARCHAR) AS key${index}`,
    `${text} AS text${index}`,
  ])
  const shape = unread.map(({ when }) => `WHEN ${when} THEN true`)
  const isUnread = shape.length === 0 ? 'false' : `CASE ${shape.join(' ')} ELSE false END`
  const rows = `SELECT ${values.join(', ')}, ${list.value} AS raw, ${list.text} AS given, ${isUnread} AS unread FROM ${relation}`
  const cleaned = `SELECT *, ${trimmed('raw')} AS cleaned FROM (${rows})`
  const nested = `SELECT *, ${asJson('cleaned')} AS nested FROM (${cleaned})`
  const items = `CAST(to_json(${itemsOf('cleaned', { from: [field] })}) AS VARCHAR)`
  const lists = `SELECT *, CASE WHEN ${isNested('nested')} OR ${isJsonNull('nested')} THEN nested ELSE ${items} END AS list FROM (${nested})`
  const problems = [
    `WHEN unread THEN 'another number of fields than the header, or bytes that are no text'`,
    ...key.map(
      ({ name }, index) =>
        `WHEN key${index} IS NULL AND text${index} IS NOT NULL THEN ${literal(`a text in the key \`${name}\` that is not of its type`)}`,
    ),
    `WHEN (cleaned IS NOT NULL OR (raw IS NULL AND given IS NOT NULL)) AND list IS NULL THEN ${literal(`a text that is no list in \`${field}\``)}`,
  ]
  const found = key.map((_, index) => `key${index}`)
  return `SELECT CASE ${problems.join(' ')} END AS problem, ${[...found, 'list', 'raw'].join(', ')} FROM (${lists})`
}
