import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import pl from 'nodejs-polars'
import type { Contest } from './contest.ts'

/** The refine of the viewings alone, in nodejs-polars: text to types, rejects apart, newest of each key. Its memory has no limit to set. */
export async function runPolars({ data, out }: Contest): Promise<number> {
  await rm(out, { recursive: true, force: true })
  await mkdir(out, { recursive: true })
  const names = ['viewing_id', 'user_id', 'title_id', 'started_at', 'minutes', 'device']
  const text = pl.readCSV(data.viewings, { schema: Object.fromEntries(names.map((name) => [name, pl.String])) })
  const typed = text.select(
    pl.col('viewing_id').str.strip().cast(pl.Int64, false).as('viewing_id'),
    pl.col('user_id').str.strip().as('user_id'),
    pl.col('title_id').str.strip().as('title_id'),
    pl
      .when(pl.col('started_at').str.slice(4, 1).eq(pl.lit('-')))
      .then(pl.col('started_at').str.strptime(pl.Datetime, '%Y-%m-%d %H:%M:%S'))
      .otherwise(pl.col('started_at').str.strptime(pl.Datetime, '%d/%m/%Y %H:%M:%S'))
      .as('started_at'),
    pl.col('minutes').str.strip().cast(pl.Int32, false).as('minutes'),
    pl.col('minutes').as('minutes_text'),
    pl.col('device').str.strip().as('device'),
  )
  const bad = pl
    .col('viewing_id')
    .isNull()
    .or(pl.col('started_at').isNull())
    .or(pl.col('minutes').isNull().and(pl.col('minutes_text').isNotNull()))
    .or(pl.col('minutes').lt(0))
    .fillNull(false)
  typed.filter(bad).writeParquet(join(out, 'rejects.parquet'), { compression: 'zstd' })
  const refined = typed
    .filter(bad.not())
    .sort('started_at')
    .unique({ subset: ['viewing_id'], keep: 'last' })
  refined.writeParquet(join(out, 'viewings.parquet'), { compression: 'zstd' })
  return refined.height
}
