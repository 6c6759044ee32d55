import { join } from 'node:path'
import type { TaskContext } from '@cinelake/bus'
import type { Ingest, Manifest } from '@cinelake/contracts'
import { landObject, windowFolder, type Lake, type Landed } from '@cinelake/lake'
import { RowsLostError } from '../errors.ts'
import { openCsvSpool } from '../landing/csv-spool.ts'
import { RecordProblem } from '../landing/record-problem.ts'
import type { JsonObject } from '../bodies/json-text.ts'
import { createRecordCheck } from './create-body-check.ts'
import { parseRecord } from './parse-record.ts'
import { PushBodyError } from './push-errors.ts'
import { locatePushes } from './locate-pushes.ts'
import { readRecordText, Receipt, receiptPath, type PushFolder } from './push-layout.ts'
import { closeWindow } from './window-receipts.ts'

/** Receipts read at once. They are small and many. */
const AT_ONCE = 16

type File = Manifest['files'][number]

/**
 * Lands what was pushed in a window, in the order in which it came: CSV as it is, and JSON as CSV, what came one after the
 * other together. The window is closed by that: what comes later is in the next one.
 */
export function createLandPushed({ lake }: { readonly lake: Lake }) {
  return async (command: Ingest, { signal, progress }: TaskContext): Promise<Landed> => {
    const folder = await locatePushes(lake, command.pipeline.name, command, { signal })
    const place = { source: command.source, dataset: command.dataset, folder }
    const { ids } = await closeWindow(lake, place, command.window.label, { signal })
    const receipts = await readReceipts(lake, place, command.window.label, ids, signal)
    const files: File[] = []
    let rowCount = 0
    for (const group of inGroups(receipts.filter((receipt) => receipt.rowCount > 0))) {
      signal.throwIfAborted()
      const landed = await landGroup(lake, group, { command, place, part: files.length, signal })
      files.push(landed)
      rowCount += landed.rowCount ?? 0
      progress({ rowCount, sizeBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) })
    }
    return { format: 'csv', files, rowCount }
  }
}

async function readReceipts(
  lake: Lake,
  place: PushFolder,
  label: string,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<Receipt[]> {
  const receipts: Receipt[] = []
  for (let from = 0; from < ids.length; from += AT_ONCE) {
    const some = ids.slice(from, from + AT_ONCE).map(async (id) => {
      const path = receiptPath(place, label, id)
      return readRecordText(Receipt, (await lake.readText(path, { signal })) ?? '', path)
    })
    receipts.push(...(await Promise.all(some)))
  }
  return receipts.sort((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1))
}

const keyOf = ({ receivedAt, id }: Receipt) => `${receivedAt} ${id}`

/** One push in CSV, or as many in JSON as came without one in CSV between them. */
function inGroups(receipts: readonly Receipt[]): Receipt[][] {
  const groups: Receipt[][] = []
  for (const receipt of receipts) {
    const last = groups.at(-1)
    if (last === undefined || receipt.format === 'csv' || last[0]?.format === 'csv') groups.push([receipt])
    else last.push(receipt)
  }
  return groups
}

type GroupContext = {
  readonly command: Ingest
  readonly place: PushFolder & { readonly dataset: string }
  /** From 0: the how-manieth file of the landing. */
  readonly part: number
  readonly signal: AbortSignal
}

async function landGroup(lake: Lake, group: readonly Receipt[], context: GroupContext): Promise<File> {
  const [first] = group
  if (first === undefined) throw new RangeError('expected a push')
  const { dataset } = context.place
  if (first.format !== 'csv') return await landRecords(lake, group, context)
  const { path, id, sizeBytes, sha256, rowCount } = first
  return { path, name: `${dataset}/${id}.csv`, sizeBytes, sha256, rowCount }
}

async function landRecords(lake: Lake, group: readonly Receipt[], context: GroupContext): Promise<File> {
  const { command, place, part, signal } = context
  await using scratch = await lake.scratch()
  await using spool = await openCsvSpool(join(scratch.directory, 'rows.csv'))
  for (const receipt of group) {
    for await (const records of recordsOf(lake, receipt, signal)) {
      await spool.add(records, (error) => {
        throw error instanceof RecordProblem
          ? new PushBodyError(`push ${receipt.id}`, 'flat records', error.message)
          : error
      })
    }
  }
  const expected = group.reduce((sum, { rowCount }) => sum + rowCount, 0)
  if (spool.rowCount !== expected) throw new RowsLostError(expected, spool.rowCount)
  const name = `part-${String(part).padStart(5, '0')}.csv`
  const path = `${place.folder}/${windowFolder(command)}/_rows/${name}`
  const landed = await landObject(lake, path, () => spool.content(), { signal })
  return { ...landed, name: `${place.dataset}/${windowFolder(command)}/${name}`, rowCount: spool.rowCount }
}

/** The records of a push, as many at a time as come with a chunk. */
export async function* recordsOf(
  lake: Pick<Lake, 'read'>,
  receipt: Pick<Receipt, 'path' | 'format'>,
  signal: AbortSignal,
): AsyncGenerator<JsonObject[]> {
  if (receipt.format === 'csv') throw new RangeError('expected a push in JSON')
  let records: JsonObject[] = []
  const check = createRecordCheck(receipt.format, (text, where) => void records.push(parseRecord(text, where)))
  for await (const chunk of lake.read(receipt.path, { signal })) {
    check.push(chunk)
    if (records.length > 0) yield records
    records = []
  }
  check.end()
  if (records.length > 0) yield records
}
