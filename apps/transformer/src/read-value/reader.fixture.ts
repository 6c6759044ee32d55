import type { EngineValue, SqlSession } from '@cinelake/engine'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import type { ColumnReading } from '@cinelake/pipeline'
import { literal } from '@cinelake/sql'
import { temporaryDirectory } from '@cinelake/testkit'
import { type ColumnSql, readColumn } from './column.ts'
import { readLanded } from './landed.ts'

/** A text or value that is not of the type: its row is rejected. */
export const WRONG = Symbol('wrong')
export type Expected = Readonly<Record<string, EngineValue | typeof WRONG>>

export type Reading = Partial<ColumnReading> & { readonly datasetNulls?: readonly string[] }

export type Reader = {
  readonly session: SqlSession
  /** @returns for each text its value, or that it is not of the type */
  read(type: string, reading: Reading, texts: readonly string[]): Promise<Expected>
  /** @param value SQL of a value that is cast to the landed type */
  readLanded(landed: string, type: string, value: string, reading?: Reading): Promise<EngineValue | typeof WRONG>
} & AsyncDisposable

/** The real engine, which converts texts and landed values to a column's values. */
export async function aReader(): Promise<Reader> {
  await using opening = new AsyncDisposableStack()
  const directory = opening.use(await temporaryDirectory())
  const limits = { memoryBytes: 256 * 1024 * 1024, threads: 1 }
  const engine = opening.use(await createDuckDbEngine({ ...limits, scratchDirectory: directory.path }))
  const session = opening.use(await engine.session())
  const open = opening.move()
  const values = async ({ value, text }: ColumnSql, from: string) => {
    const rows = await session.rows<{ x: string; value: EngineValue; text: EngineValue }>(
      `SELECT x, ${value} AS value, ${text} AS text FROM ${from}`,
    )
    return rows.map((row) => [row.x, row.value === null && row.text !== null ? WRONG : row.value] as const)
  }
  return {
    session,
    read: async (type, { datasetNulls = [], ...reading }, texts) => {
      const sql = readColumn({ type, reading: { from: ['x'], ...reading } }, 'x', datasetNulls)
      const given = texts.map((text, index) => `(${index}, ${literal(text)})`)
      return Object.fromEntries(await values(sql, `(VALUES ${given.join(', ')}) AS given(i, x) ORDER BY i`))
    },
    readLanded: async (landed, type, value, { datasetNulls = [], ...reading } = {}) => {
      const sql = readLanded({ type, reading: { from: ['x'], ...reading } }, 'x', landed, datasetNulls)
      const [row] = await values(sql, `(SELECT CAST(${value} AS ${landed}) AS x)`)
      return row?.[1] ?? null
    },
    [Symbol.asyncDispose]: () => open[Symbol.asyncDispose](),
  }
}
