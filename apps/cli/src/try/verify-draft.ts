import { identifier } from '@cinelake/sql'
import type { SqlSession } from '@cinelake/engine'
import { readColumn } from '@cinelake/transformer'
import type { Sample } from '@cinelake/source-kind'
import type { Draft } from './draft.ts'
import type { DraftColumn } from './guess-key.ts'

/**
 * Reads the sample by the code of a refine. A column with more unreadable texts than the draft predicts becomes text:
 * unreadable values must not reject rows.
 */
export async function verifyDraft(draft: Draft, sample: Sample, session: SqlSession): Promise<Draft> {
  const names = sample.columns.map((_, index) => identifier(`c${index}`))
  await session.run(`CREATE OR REPLACE TEMP TABLE tried (${names.map((name) => `${name} VARCHAR`).join(', ')})`)
  await session.append('tried', one(sample.rows))
  const columns: DraftColumn[] = []
  for (const column of draft.columns) {
    const index = sample.columns.findIndex(({ name, type }) => name === column.from && type === undefined)
    const allowed = column.inferred.misfitCount ?? 0
    const isReadable = index < 0 || (await unreadCount(column, names[index] ?? '', session)) <= allowed
    columns.push(
      isReadable
        ? column
        : { ...column, inferred: { type: 'VARCHAR', note: 'not every text is of one type' }, minimum: undefined },
    )
  }
  return { ...draft, columns }
}

async function unreadCount({ inferred, from }: DraftColumn, raw: string, session: SqlSession): Promise<number> {
  const { type, formats, decimal, nulls, separators } = inferred
  const reading = {
    from: [from],
    ...(formats === undefined ? {} : { formats: [...formats] }),
    ...(decimal === undefined ? {} : { decimal }),
    ...(nulls === undefined ? {} : { nulls: [...nulls] }),
    ...(separators === undefined ? {} : { separators: [...separators] }),
  }
  const { value, text } = readColumn({ type, reading }, raw, [])
  const query = `SELECT count(*) AS n FROM tried WHERE (${text}) IS NOT NULL AND (${value}) IS NULL`
  const [found] = await session.rows<{ n: number | bigint }>(query)
  return Number(found?.n ?? 0)
}

async function* one<T>(value: T): AsyncGenerator<T> {
  yield value
}
