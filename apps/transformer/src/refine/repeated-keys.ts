import { identifier, identifiers, literal } from '@cinelake/sql'
import type { Manifest, Refine } from '@cinelake/contracts'
import { windowAt } from '@cinelake/core'
import type { DeltaSnapshot, DeltaTable } from '@cinelake/delta'
import type { SqlSession } from '@cinelake/engine'
import { newestManifest, type Lake } from '@cinelake/lake'
import type { CheckedDataset, CheckedPipeline } from '@cinelake/pipeline'
import type { DedupedRows } from './dedupe.ts'
import { refineErrors } from './errors.ts'
import { WINDOW_COLUMN } from './row-order.ts'
import { ORDINAL, RULES, stagedRelation } from './stage-sql.ts'
import type { StagedFile } from './staged-file.ts'

/** Table of the task's keys that other windows have already brought, each with the latest of these windows. */
const REPEATED = identifier('cinelake.repeated')

/** Its column with that window's start. */
const LATEST = identifier('cinelake.latest')

type Work = {
  readonly command: Refine
  readonly pipeline: CheckedPipeline
  readonly dataset: CheckedDataset
  readonly manifest: Manifest
  readonly files: readonly StagedFile[]
  readonly rows: DedupedRows
}
type Deps = {
  readonly lake: Lake
  readonly table: DeltaTable
  /** The table when the commit was planned. */
  readonly snapshot: DeltaSnapshot | undefined
  readonly session: SqlSession
  readonly signal: AbortSignal
}

/** Whether only rows with a new key may be added. */
export function takesEachKeyOnce({ mode, contract }: CheckedDataset): boolean {
  return mode === 'append' && contract.primaryKey.length > 0
}

/**
 * Checks the rows of a window to append against the table: a key of another window would be duplicated. Reads only the
 * table's files that may hold one of the keys, and of these only the key.
 * @throws {REFINE_KEY_REPEATED} terminal: with an example and both windows; nothing is committed
 */
export async function checkKeysAreNew(work: Work, deps: Deps): Promise<void> {
  const { command, pipeline, dataset, rows } = work
  const { table, snapshot, session, signal } = deps
  if (snapshot === undefined || !takesEachKeyOnce(dataset)) return
  const key = dataset.contract.primaryKey
  const known = new Set(snapshot.columns.map(({ name }) => name))
  if (!key.every((name) => known.has(name))) return
  const keys = `(SELECT ${identifiers(key)} FROM (${rows.query}))`
  await using view = await table.view(session, { version: snapshot.version, matching: { relation: keys, key }, signal })
  if (view === undefined) return
  const window = `TIMESTAMPTZ ${literal(command.window.start)}`
  await session.run(
    `CREATE OR REPLACE TEMP TABLE ${REPEATED} AS
SELECT ${identifiers(key)}, max(old.${WINDOW_COLUMN}) AS ${LATEST}
FROM ${keys} AS new JOIN ${view.relation} AS old USING (${identifiers(key)})
WHERE old.${WINDOW_COLUMN} IS DISTINCT FROM ${window} GROUP BY ALL`,
    { signal },
  )
  const [found] = await session.rows<{ keyCount: number }>(`SELECT count(*) AS "keyCount" FROM ${REPEATED}`, { signal })
  if (found === undefined || found.keyCount === 0) return
  const example = await exampleOf(work, deps)
  const label = windowAt(pipeline.schedule, new Date(example.broughtIn)).label
  const landed = await newestManifest(
    deps.lake,
    { pipeline: pipeline.name, label, task: work.manifest.task },
    { signal },
  )
  throw refineErrors.REFINE_KEY_REPEATED({
    dataset,
    keyCount: found.keyCount,
    window: command.window.label,
    ...example,
    before: { window: label, files: (landed?.files ?? []).map(({ name }) => name) },
  })
}

type Example = {
  /** `order_id=17`; absent where the key is personal data. */
  readonly key?: string
  readonly file: string
  /** Record number in the file, from 1. */
  readonly row: number
  /** Start of the window that brought the key first. */
  readonly broughtIn: string
}

async function exampleOf(
  { dataset, files }: Pick<Work, 'dataset' | 'files'>,
  { session, signal }: Deps,
): Promise<Example> {
  const key = dataset.contract.primaryKey
  const texts = key.map((name, index) => `CAST(${identifier(name)} AS VARCHAR) AS key_${index}`)
  const first = `(SELECT * FROM ${REPEATED} ORDER BY ${identifiers(key)} LIMIT 1)`
  const [row] = await session.rows<Record<string, string | null>>(
    `SELECT ${texts.join(', ')}, strftime(${LATEST} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ') AS latest FROM ${first}`,
    { signal },
  )
  const same = key.map((name) => `staged.${identifier(name)} IS NOT DISTINCT FROM example.${identifier(name)}`)
  const isPersonal = dataset.contract.columns.some(({ name, personal }) => key.includes(name) && personal !== undefined)
  const values = key.map((name, index) => `${name}=${(row?.[`key_${index}`] ?? 'NULL').slice(0, KEY_LENGTH)}`)
  const shown = { broughtIn: row?.['latest'] ?? '', ...(isPersonal ? {} : { key: values.join(', ') }) }
  for (const { path, placeOf } of files) {
    const [place] = await session.rows<{ ordinal: number }>(
      `SELECT staged.${ORDINAL} AS ordinal
FROM ${stagedRelation([path], dataset.contract)} AS staged JOIN ${first} AS example ON ${same.join(' AND ')}
WHERE staged.${RULES} IS NULL ORDER BY ordinal LIMIT 1`,
      { signal },
    )
    if (place !== undefined) return { ...shown, ...placeOf(place.ordinal) }
  }
  return { ...shown, file: '', row: 0 }
}

/** Characters shown of a key's value. */
const KEY_LENGTH = 80
