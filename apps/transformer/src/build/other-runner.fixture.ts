import { randomUUID } from 'node:crypto'
import { copyFile, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '@cinelake/core'
import { createDeltaTable } from '@cinelake/delta'
import {
  REJECT_COLUMNS,
  type ModelColumn,
  type ModelRunner,
  type PinnedTable,
  type SqlSession,
  type StagedFile,
  type StagedTable,
} from '@cinelake/engine'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import type { Lake } from '@cinelake/lake'
import { temporaryDirectory } from '@cinelake/testkit'

/**
 * A simulated remote runner: it shares only the lake with the worker, reads the inputs' files from there and writes the
 * result's files into the table's folder itself, before they are requested. It rejects rows whose `amount` is negative.
 * Its own engine, which can only access its own directory, writes the Parquet files.
 */
export async function createOtherRunner({
  lake,
  clock,
}: {
  readonly lake: Lake
  readonly clock: Clock
}): Promise<ModelRunner> {
  const directory = await temporaryDirectory()
  const limits = { memoryBytes: 256e6, threads: 1, scratchDirectory: join(directory.path, 'scratch') }
  const engine = await createDuckDbEngine({ ...limits, directories: [directory.path] })

  const copyInput = async (session: SqlSession, { name, path, version, id }: PinnedTable): Promise<void> => {
    const snapshot = await createDeltaTable({ lake, path, clock }).snapshot({ version, id })
    const copies: string[] = []
    for (const file of snapshot?.files ?? []) {
      await using local = await lake.download(`${path}/${file.path}`)
      const copy = join(directory.path, `${randomUUID()}.parquet`)
      await copyFile(local.file, copy)
      copies.push(`'${copy}'`)
    }
    await session.run(`CREATE TEMP TABLE ${name} AS FROM read_parquet([${copies.join(', ')}])`)
  }

  type Part = { readonly query: string; readonly partitionValues: StagedFile['partitionValues'] }

  /** Writes one file; none where there are no rows. */
  const write = async (session: SqlSession, folder: string, part: Part): Promise<StagedFile[]> => {
    const [count] = await session.rows<{ n: number }>(`SELECT count(*) AS n FROM (${part.query})`)
    const rowCount = count?.n ?? 0
    if (rowCount === 0) return []
    const path = `part-${randomUUID()}.parquet`
    const local = join(directory.path, path)
    await session.run(`COPY (${part.query}) TO '${local}' (FORMAT parquet)`)
    const { size: sizeBytes } = await stat(local)
    await lake.put(`${folder}/${path}`, await readFile(local))
    return [{ path, partitionValues: part.partitionValues, sizeBytes, rowCount }]
  }

  return {
    stagesInLake: true,
    async run({ model, inputs, table: { path, partitionBy } }) {
      await using session = await engine.session()
      for (const input of inputs) await copyInput(session, input)
      const casts = model.columns.map(({ name, type }) => `CAST(${name} AS ${type}) AS ${name}`)
      await session.run(`CREATE TEMP TABLE result AS SELECT ${casts.join(', ')} FROM (${model.sql})`)
      const good = 'FROM result WHERE coalesce(amount >= 0, true)'
      const values = partitionBy.length === 0 ? [] : await partitionsOf(session, partitionBy, good)
      const parts: Part[] =
        partitionBy.length === 0
          ? [{ query: good, partitionValues: {} }]
          : values.map((partitionValues) => ({
              query: `SELECT * EXCLUDE (${partitionBy.join(', ')}) ${good} AND ${sameValues(partitionValues)}`,
              partitionValues,
            }))
      const files: StagedFile[] = []
      for (const part of parts) files.push(...(await write(session, path, part)))
      const rejected = `SELECT 'negative' AS rule, ['negative'] AS rules, '${model.name}' AS file, CAST(NULL AS BIGINT) AS line,
        CAST(NULL AS VARCHAR[]) AS found, false AS kept, CAST(to_json(result) AS VARCHAR) AS raw FROM result WHERE amount < 0`
      const rejectFiles = await write(session, path, { query: rejected, partitionValues: {} })
      const rows = stagedTable(model.columns, partitionBy, files)
      const rejects = stagedTable(REJECT_COLUMNS, [], rejectFiles)
      const all = partitionBy.length === 0 ? [] : await partitionsOf(session, partitionBy, 'FROM result')
      const known = new Set(values.map((each) => JSON.stringify(each)))
      return {
        rows,
        rejects: rejects.rowCount === 0 ? undefined : rejects,
        rejectCounts: rejects.rowCount === 0 ? {} : { negative: rejects.rowCount },
        balance: {
          unit: 'rows',
          in: rows.rowCount + rejects.rowCount,
          out: rows.rowCount,
          rejected: rejects.rowCount,
          duplicates: 0,
        },
        quality: [],
        emptiedPartitions: all.filter((each) => !known.has(JSON.stringify(each))),
        async [Symbol.asyncDispose]() {
          // The staged files belong to the commit.
        },
      }
    },
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]()
      await directory[Symbol.asyncDispose]()
    },
  }
}

function stagedTable(
  columns: readonly ModelColumn[],
  partitionBy: readonly string[],
  files: readonly StagedFile[],
): StagedTable {
  const rowCount = files.reduce((sum, file) => sum + file.rowCount, 0)
  return { columns, partitionBy, rowCount, files: async () => files }
}

type Values = Readonly<Record<string, string | null>>

async function partitionsOf(session: SqlSession, partitionBy: readonly string[], from: string): Promise<Values[]> {
  const texts = partitionBy.map((name) => `CAST(${name} AS VARCHAR) AS ${name}`).join(', ')
  return await session.rows<Values>(`SELECT DISTINCT ${texts} ${from} ORDER BY ALL`)
}

function sameValues(values: Values): string {
  return Object.entries(values)
    .map(([name, value]) => `CAST(${name} AS VARCHAR) IS NOT DISTINCT FROM ${value === null ? 'NULL' : `'${value}'`}`)
    .join(' AND ')
}
