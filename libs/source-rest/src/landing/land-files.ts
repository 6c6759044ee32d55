import { type Ingest, type QualityResult, rawFolder } from '@cinelake/contracts'
import { csvRow, guardFormula, OWN_DIALECT, readRecords } from '@cinelake/csv'
import type { CsvSpool, RowRules } from '@cinelake/json-rows'
import { type Lake, type Landed, landObject, windowFolder } from '@cinelake/lake'
import type { RestDataset, RestSource } from '../config/index.ts'
import { driftOf, type ExpectedField } from './row-rules.ts'
import { SchemaDriftError } from '../errors.ts'

export type FilesTask = {
  readonly command: Ingest
  readonly source: RestSource
  readonly dataset: RestDataset
  readonly expected: readonly ExpectedField[] | undefined
  readonly rules: RowRules
  /** What the pages say of themselves. */
  readonly quality: readonly QualityResult[]
  readonly signal: AbortSignal
}

/**
 * Lands the rows of a spool as one CSV file, each key once.
 * @throws {SchemaDriftError} terminal
 */
export async function landFiles(lake: Lake, spool: CsvSpool, task: FilesTask): Promise<Landed> {
  const { command, source, dataset, expected, rules, signal } = task
  const drift = driftOf(expected, spool.columns, spool.rowCount, rules.drift)
  if (drift.some(({ severity }) => severity === 'fail')) throw new SchemaDriftError(source.name, dataset.name, drift)
  const superseded = rules.key.length === 0 ? undefined : await spool.superseded()
  const quality = [
    ...task.quality,
    ...drift,
    ...brokenOf(spool),
    ...keyless(spool.rowCount, superseded?.keylessCount ?? 0, rules.key),
  ]
  const duplicateCount = superseded?.count ?? 0
  const rowCount = spool.rowCount - duplicateCount
  const findings = {
    rowCount,
    ...(duplicateCount === 0 ? {} : { duplicateCount }),
    ...(quality.length === 0 ? {} : { quality }),
  }
  // Without columns there is no file.
  if (rowCount === 0 && spool.columns.width === 0) return { format: 'csv', files: [], ...findings }
  const name = windowFolder(command)
  const folder = rawFolder(command.pipeline.name, 'api', source.name, dataset.name)
  const content = () => spool.content(superseded)
  const landed = await landObject(lake, `${folder}/${name}.csv`, content, { signal })
  if (dataset.guardFormulas === true) {
    const beside = landed.path.replace(/\.csv$/, '.guarded.csv')
    await lake.writeIfAbsent(beside, withoutFormulas(content()), { signal })
  }
  return {
    format: 'csv',
    files: [{ ...landed, name: `${dataset.name}/${name}.csv`, rowCount, delimiter: ',' }],
    ...findings,
  }
}

/** Records that are no rows. They land as they are, and are rejected with the rows that do not fit. */
function brokenOf({ broken, rowCount: checked }: CsvSpool): QualityResult[] {
  if (broken.size === 0) return []
  const failed = [...broken.values()].reduce((sum, count) => sum + count, 0)
  const detail = [...broken].map(([reason, count]) => `${count} of them: ${reason}`).join('; ')
  return [{ rule: 'record_broken', severity: 'warn', checked, failed, detail }]
}

/** Rows without a key cannot be deduplicated: rows that were read twice have landed twice. */
function keyless(checked: number, failed: number, key: readonly string[]): QualityResult[] {
  if (failed === 0) return []
  return [
    { rule: 'key_missing', severity: 'warn', checked, failed, detail: `rows without a value of ${key.join(', ')}` },
  ]
}

/** Bytes that are buffered before they are passed on. */
const BLOCK = 64 * 1024

/**
 * The same CSV with an apostrophe before each text that a spreadsheet would evaluate as a formula. It is for people: no program
 * reads it, so this never has to be reversed.
 */
export async function* withoutFormulas(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let text = ''
  for await (const { cells } of readRecords(bytes, { dialect: OWN_DIALECT, maxRecordBytes: Infinity })) {
    text += `${csvRow(cells.map((cell) => (cell === null ? null : guardFormula(cell))))}\n`
    if (text.length < BLOCK) continue
    yield Buffer.from(text)
    text = ''
  }
  yield Buffer.from(text)
}
