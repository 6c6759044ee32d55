import type { CheckedColumn } from '@cinelake/pipeline'
import { identifier, literal } from '@cinelake/sql'
import { join } from 'node:path'
import { fieldColumn } from '../read-csv/relation.ts'
import { type Kind, KIND, type RecordFile } from '../read-records/record.ts'
import { readTyped } from '../read-records/typed-column.ts'
import { writeRecords, type WrittenRecords } from '../read-records/write-records.ts'
import { type FileSample, type SampleContext, type SampledColumn, TRIED, triedColumn } from './file-sample.ts'

/** Opens the file that is sampled, for some columns. */
type Open = (columns: readonly CheckedColumn[]) => RecordFile

/** The rows of a sample that are read record by record. */
export type SampledRecords = Pick<FileSample, 'rowCount' | 'unreadCount' | 'isAll' | 'readColumn'> & {
  /** For each column the kinds of its cells. */
  readonly kinds: WrittenRecords['kinds']
}

/** Makes the first records of a file the table of the sample. @param nulls words for "no value" */
export async function sampleRecords(
  columns: readonly CheckedColumn[],
  open: Open,
  nulls: readonly string[],
  { session, directory, limit, signal }: SampleContext,
): Promise<SampledRecords> {
  const copy = join(directory, 'tried-records.csv')
  const written = await writeRecords(limited(open(columns), limit), columns, copy, signal)
  const all = [PROBLEM, KINDS, ...columns.map((_, index) => fieldColumn(index))]
  const types = `{${all.map((one) => `'${one}': 'VARCHAR'`).join(', ')}}`
  const fields = columns.map((_, index) => `${identifier(fieldColumn(index))} AS ${triedColumn(index)}`)
  await session.run(`CREATE OR REPLACE TEMP TABLE ${TRIED} AS SELECT ${fields.join(', ')}, ${identifier(KINDS)} AS kinds, ${identifier(PROBLEM)} IS NOT NULL AS unread
FROM read_csv(${literal(copy)}, auto_detect = false, header = false, delim = ',', quote = '"', escape = '"', new_line = '\\n', nullstr = '', allow_quoted_nulls = false, columns = ${types}, hive_partitioning = false)`)
  const [unread] = await session.rows<{ n: number | bigint }>(`SELECT count(*) AS n FROM ${TRIED} WHERE unread`)
  await session.run(`DELETE FROM ${TRIED} WHERE unread`)
  const unreadCount = Number(unread?.n ?? 0)
  const { kinds, recordCount } = written
  const kindsOf = (index: number) => ({ kinds: [...(kinds[index] ?? [])], kind: `substr(kinds, ${index + 1}, 1)` })
  return {
    kinds,
    rowCount: recordCount - unreadCount,
    unreadCount,
    isAll: recordCount < limit,
    readColumn: (column, index) => readTyped({ ...COLUMN, ...column }, triedColumn(index), kindsOf(index), nulls),
  }
}

const PROBLEM = 'cinelake.problem'
const KINDS = 'cinelake.kinds'

/** A column of which only the name is known. */
export const COLUMN = { type: 'VARCHAR', required: false } as unknown as CheckedColumn

/** The type of a column whose cells all say what they are; a text may be anything. */
export async function typeOfKinds(
  kinds: ReadonlySet<Kind> | undefined,
  index: number,
  session: SampleContext['session'],
): Promise<Pick<SampledColumn, 'type' | 'sourceType'>> {
  if (kinds?.size !== 1) return {}
  if (kinds.has(KIND.boolean)) return { type: 'BOOLEAN' }
  if (!kinds.has(KIND.time)) return {}
  const all = (pattern: string) => `bool_and(regexp_full_match(${triedColumn(index)}, '${pattern}'))`
  const [found] = await session.rows<{ days: boolean | null; times: boolean | null }>(
    `SELECT ${all(String.raw`\d+-\d\d-\d\d`)} AS days, ${all(String.raw`\d\d:\d\d.*`)} AS times FROM ${TRIED}`,
  )
  if (found?.days === true) return { type: 'DATE' }
  return found?.times === true ? { type: 'TIME' } : { type: 'TIMESTAMP', sourceType: 'datetime' }
}

/** The first records of a file. */
export function limited(records: RecordFile, limit: number): RecordFile {
  return {
    get names() {
      return records.names
    },
    async *read(signal) {
      let left = limit
      for await (const batch of records.read(signal)) {
        yield batch.slice(0, left)
        left -= batch.length
        if (left <= 0) return
      }
    },
  }
}
