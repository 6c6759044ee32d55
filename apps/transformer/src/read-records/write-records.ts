import { MAX_RECORD_BYTES, RowBuffer } from '@cinelake/csv'
import type { CheckedColumn, CheckedDataset } from '@cinelake/pipeline'
import { identifier, literal } from '@cinelake/sql'
import { open } from 'node:fs/promises'
import { fieldColumn } from '../read-csv/relation.ts'
import { ROW_SHAPE, type StageSource } from '../refine/stage-sql.ts'
import { type Cell, type Kind, type RecordFile } from './record.ts'
import { readTyped } from './typed-column.ts'

/** Columns of the copy beside those of the cells. */
const PROBLEM = 'cinelake.problem'
const KINDS = 'cinelake.kinds'

/** Records as a copy that the engine reads: one row for each record, in order. */
export type WrittenRecords = {
  readonly file: string
  readonly recordCount: number
  /** For each column the kinds of its cells. */
  readonly kinds: readonly ReadonlySet<Kind>[]
  readonly hasNul: boolean
}

/** Why a record is rejected that is valid in its own format. */
export const TOO_LONG = `a record of more than ${MAX_RECORD_BYTES} bytes`

/** Bytes that are written at once. */
const BLOCK_BYTES = 1024 * 1024

/**
 * Writes the cells of records as CSV: why the record is rejected, the kinds of the cells (a letter each), and the cells. An empty
 * text is quoted, no value is not.
 */
export async function writeRecords(
  records: RecordFile,
  columns: readonly CheckedColumn[],
  file: string,
  signal: AbortSignal,
): Promise<WrittenRecords> {
  await using handle = await open(file, 'w')
  const rows = new RowBuffer(2 * BLOCK_BYTES)
  const kinds = columns.map(() => new Set<Kind>())
  const none = columns.map(() => null)
  let recordCount = 0
  let hasNul = false
  for await (const batch of records.read(signal)) {
    for (const { cells, problem } of batch) {
      recordCount += 1
      const start = rows.length
      if (problem === undefined) {
        for (const [index, cell] of cells.entries()) {
          if (cell === null) continue
          kinds[index]?.add(cell.kind)
          hasNul ||= cell.text.includes('\0')
        }
        rows.add([null, cells.map(kindOf).join(''), ...cells.map((cell) => cell?.text ?? null)])
      } else rows.add([problem, '', ...none])
      if (rows.length - start > MAX_RECORD_BYTES) {
        rows.truncate(start)
        rows.add([TOO_LONG, '', ...none])
      }
      if (rows.length < BLOCK_BYTES) continue
      await handle.writeFile(rows.bytes)
      rows.clear()
    }
  }
  await handle.writeFile(rows.bytes)
  return { file, recordCount, kinds, hasNul }
}

const kindOf = (cell: Cell) => cell?.kind ?? '-'

/** The rows of such a copy with an expression for each column of the contract. */
export function recordSource(written: WrittenRecords, { contract, reading }: CheckedDataset): StageSource {
  const names = [PROBLEM, KINDS, ...contract.columns.map((_, index) => fieldColumn(index))]
  const options = [
    'auto_detect = false',
    'header = false',
    "delim = ','",
    `quote = '"'`,
    `escape = '"'`,
    String.raw`new_line = '\n'`,
    "nullstr = ''",
    'allow_quoted_nulls = false',
    `columns = {${names.map((name) => `${literal(name)}: 'VARCHAR'`).join(', ')}}`,
    'hive_partitioning = false',
  ]
  return {
    relation: `read_csv(${literal(written.file)}, ${options.join(', ')})`,
    columns: contract.columns.map((column, index) => {
      const kinds = { kinds: [...(written.kinds[index] ?? [])], kind: `substr(${identifier(KINDS)}, ${index + 1}, 1)` }
      return readTyped(column, identifier(fieldColumn(index)), kinds, reading.nulls)
    }),
    unread: [{ rule: ROW_SHAPE, when: `${identifier(PROBLEM)} IS NOT NULL` }],
    hasNul: written.hasNul,
  }
}
