import { join } from 'node:path'
import type { TaskContext } from '@cinelake/bus'
import type { Ingest, Manifest } from '@cinelake/contracts'
import { landObject, windowFolder, type Lake, type Landed } from '@cinelake/lake'
import type { PipelineOfSource } from '@cinelake/source-kind'
import { RowsLostError, MAX_COLUMNS, openCsvSpool, RecordProblem, type JsonObject } from '@cinelake/json-rows'
import { parseRecord, headerProblem, namesRead, type RowShape, type ContractColumns } from '../body/body-check.ts'
import { createBodyCheck, createRecordReader } from '../body/create-body-check.ts'
import { PushBodyError, PushTooLargeError, type PushPlace } from '../errors.ts'
import { locatePushes, readRecordText, Receipt, receiptPath, type PushFolder } from './push-layout.ts'
import { contractOf } from '../push-targets.ts'
import { closeWindow } from './window-receipts.ts'

/** Receipts read concurrently. They are small and many. */
const AT_ONCE = 16

type File = Manifest['files'][number]
type SetAside = NonNullable<Manifest['leftOut']>[number]

/**
 * Lands the pushes of a window in order of arrival: CSV unchanged, and JSON as CSV, consecutive JSON pushes in one file.
 * This closes the window: later pushes belong to the next one. A push that cannot be landed, because it was accepted by an
 * earlier release or under another contract, is quarantined alone.
 */
export function createLandPushed({ lake }: { readonly lake: Lake }) {
  return async (command: Ingest, pipeline: PipelineOfSource, { signal, progress }: TaskContext): Promise<Landed> => {
    const folder = await locatePushes(lake, command.pipeline.name, command, { signal })
    const place = { source: command.source, dataset: command.dataset, folder }
    const contract = contractOf(pipeline, place)
    const { ids } = await closeWindow(lake, place, command.window.label, { signal })
    const receipts = await readReceipts(lake, place, command.window.label, ids, signal)
    const setAside: SetAside[] = []
    const pushes: CheckedPush[] = []
    for (const receipt of receipts.filter((each) => each.rowCount > 0)) {
      const checked = await checkAgain(lake, receipt, contract, signal)
      if ('shape' in checked) pushes.push(checked)
      else setAside.push(setAsideAs(receipt, place, checked))
    }
    const files: File[] = []
    let rowCount = 0
    for (const group of inGroups(pushes, contract)) {
      signal.throwIfAborted()
      const landed = await landGroup(lake, group, { command, place, part: files.length, signal })
      files.push(landed)
      rowCount += landed.rowCount ?? 0
      progress({ rowCount, sizeBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) })
    }
    // A push without records says that there are none; no push, and one that cannot be read, say nothing.
    const saysNothing = files.length === 0 && (receipts.length === 0 || setAside.length > 0)
    const noContent = saysNothing ? { noContent: true as const } : {}
    return { format: 'csv', files, rowCount, ...noContent, ...(setAside.length === 0 ? {} : { leftOut: setAside }) }
  }
}

type CheckedPush = { readonly receipt: Receipt; readonly shape: RowShape }

/**
 * Checks a push against the current contract. Its body is read only if that was not checked on arrival.
 * @returns what is wrong with it, if anything is
 */
async function checkAgain(
  lake: Pick<Lake, 'read'>,
  receipt: Receipt,
  contract: ContractColumns,
  signal: AbortSignal,
): Promise<CheckedPush | { readonly problem: string }> {
  const { columns, delimiter = ',', format, path } = receipt
  if (columns !== undefined) {
    const problem = headerProblem(columns, contract)
    if (problem === undefined) return { receipt, shape: { columns, delimiter } }
    return { problem: `expected ${problem.expected}, got ${problem.got}` }
  }
  const check = createBodyCheck(format, contract)
  try {
    for await (const chunk of lake.read(path, { signal })) check.push(chunk)
    check.end()
    return { receipt: { ...receipt, rowCount: check.rowCount }, shape: check.shape }
  } catch (error) {
    if (error instanceof PushBodyError || error instanceof PushTooLargeError) return { problem: error.fault }
    throw error
  }
}

function setAsideAs(
  { id, format, sha256, rowCount }: Receipt,
  { dataset }: PushPlace,
  { problem }: { problem: string },
): SetAside {
  return { name: `${dataset}/${id}.${format}`, reason: 'unusable', sha256, rowCount, problem }
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

/**
 * One CSV push, or consecutive JSON pushes that go into one file: not more columns than a file may have, and the same
 * name for each column of the contract in all of them.
 */
function inGroups(pushes: readonly CheckedPush[], contract: ContractColumns): CheckedPush[][] {
  const groups: CheckedPush[][] = []
  let columns = new Set<string>()
  /** Column lists already found to go together with the group: most pushes have the columns of earlier ones. */
  let known = new Set<string>()
  for (const push of pushes) {
    const last = groups.at(-1)
    const isJson = push.receipt.format !== 'csv' && last?.[0] !== undefined && last[0].receipt.format !== 'csv'
    const key = JSON.stringify(push.shape.columns)
    if (last !== undefined && isJson && (known.has(key) || goTogether(columns, push.shape.columns, contract)))
      last.push(push)
    else {
      groups.push([push])
      columns = new Set()
      known = new Set()
    }
    known.add(key)
    for (const name of push.shape.columns) columns.add(name)
  }
  return groups
}

function goTogether(columns: ReadonlySet<string>, more: readonly string[], contract: ContractColumns): boolean {
  const all = [...new Set([...columns, ...more])]
  if (all.length > MAX_COLUMNS || headerProblem(all, contract) !== undefined) return false
  const together = namesRead(all, contract)
  return [[...columns], more].every((names) =>
    namesRead(names, contract).every((name, index) => name === undefined || name === together[index]),
  )
}

type GroupContext = {
  readonly command: Ingest
  readonly place: PushFolder & { readonly dataset: string }
  /** Index of the file in the landing, from 0. */
  readonly part: number
  readonly signal: AbortSignal
}

async function landGroup(lake: Lake, group: readonly CheckedPush[], context: GroupContext): Promise<File> {
  const [first] = group
  if (first === undefined) throw new RangeError('expected a push')
  const { dataset } = context.place
  const { path, id, format, sizeBytes, sha256, rowCount } = first.receipt
  if (format === 'csv')
    return { path, name: `${dataset}/${id}.csv`, sizeBytes, sha256, rowCount, delimiter: first.shape.delimiter }
  const receipts = group.map(({ receipt }) => receipt)
  return await landRecords(lake, receipts, context)
}

async function landRecords(lake: Lake, group: readonly Receipt[], context: GroupContext): Promise<File> {
  const { command, place, part, signal } = context
  await using scratch = await lake.scratch()
  await using spool = await openCsvSpool(join(scratch.directory, 'rows.csv'))
  for (const receipt of group) {
    for await (const records of recordsOf(lake, receipt, signal)) {
      await spool.add(records, (error) => {
        throw error instanceof RecordProblem
          ? new PushBodyError(`push ${receipt.id}`, error.expected, error.got)
          : error
      })
    }
  }
  const expected = group.reduce((sum, { rowCount }) => sum + rowCount, 0)
  if (spool.rowCount !== expected) throw new RowsLostError(expected, spool.rowCount)
  const name = `part-${String(part).padStart(5, '0')}.csv`
  const path = `${place.folder}/${windowFolder(command)}/_rows/${name}`
  const landed = await landObject(lake, path, () => spool.content(), { signal })
  return {
    ...landed,
    name: `${place.dataset}/${windowFolder(command)}/${name}`,
    rowCount: spool.rowCount,
    delimiter: ',',
    ofRecords: true,
  }
}

/** The records of a push, in batches of one chunk each. */
export async function* recordsOf(
  lake: Pick<Lake, 'read'>,
  receipt: Pick<Receipt, 'path' | 'format'>,
  signal: AbortSignal,
): AsyncGenerator<JsonObject[]> {
  if (receipt.format === 'csv') throw new RangeError('expected a push in JSON')
  let records: JsonObject[] = []
  const check = createRecordReader(receipt.format, (text, where) => void records.push(parseRecord(text, where)))
  for await (const chunk of lake.read(receipt.path, { signal })) {
    check.push(chunk)
    if (records.length > 0) yield records
    records = []
  }
  check.end()
  if (records.length > 0) yield records
}
