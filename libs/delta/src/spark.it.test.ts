import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { once } from './delta.fixture.ts'
import { aTableWithAHistory, python, type Expected, type TableHistory } from './readers.fixture.ts'

/** One Spark session reads all versions, then writes: it appends, merges, deletes and makes a checkpoint (every 10 commits). */
const PROGRAM = `
import json, sys
from delta import configure_spark_with_delta_pip
from delta.tables import DeltaTable
from pyspark.sql import SparkSession
builder = (SparkSession.builder.master('local[1]').config('spark.ui.enabled', 'false').config('spark.sql.session.timeZone', 'UTC')
    .config('spark.driver.memory', '1g').config('spark.sql.shuffle.partitions', '1').config('spark.databricks.delta.snapshotPartitions', '1')
    .config('spark.sql.extensions', 'io.delta.sql.DeltaSparkSessionExtension')
    .config('spark.sql.catalog.spark_catalog', 'org.apache.spark.sql.delta.catalog.DeltaCatalog'))
spark = configure_spark_with_delta_pip(builder).getOrCreate()
path = sys.argv[1]
def versions(numbers):
    out = []
    for version in numbers:
        frame = spark.read.format('delta').option('versionAsOf', version).load(path)
        rows = frame.selectExpr('id', 'part', 'name', 'cast(score as string) as score',
            "date_format(seen, 'yyyy-MM-dd HH:mm:ss.SSSSSS') as seen", 'cast(day as string) as day', 'to_json(tags) as tags').orderBy('id').collect()
        out.append({'version': version, 'rows': [row.asDict() for row in rows]})
    return out
out = {'versions': versions(map(int, sys.argv[2:]))}
table = DeltaTable.forPath(spark, path)
out['filtered'] = table.toDF().where("part = 'ü/%' and id >= 30").count()
for id in (900, 901):
    spark.sql(f"insert into delta.\`{path}\` (id, part, name, seen) values ({id}, 'ü/%', 'theirs', timestamp'2026-01-01 00:00:00')")
spark.sql(f"merge into delta.\`{path}\` t using (select 901 as id, 'merged there' as name) s on t.id = s.id when matched then update set name = s.name")
spark.sql(f"delete from delta.\`{path}\` where id >= 200 and id < 205")
for id in range(910, 914):
    spark.sql(f"insert into delta.\`{path}\` (id, part, name, seen) values ({id}, null, 'theirs', timestamp'2026-01-01 00:00:00')")
out['ids'] = [row['id'] for row in table.toDF().select('id').orderBy('id').collect()]
print(json.dumps(out))
`

type Answer = { readonly versions: Expected[]; readonly filtered: number; readonly ids: number[] }

const executable = process.env['CINELAKE_TEST_SPARK_PYTHON'] ?? ''
const reason =
  executable === '' ? ' (skipped: CINELAKE_TEST_SPARK_PYTHON does not name a Python with pyspark and delta-spark)' : ''

describe.skipIf(executable === '')(`tables shared with Spark${reason}`, () => {
  let history: TableHistory
  let answer: Answer
  beforeAll(async () => {
    history = await aTableWithAHistory()
    const versions = history.versions.map(({ version }) => String(version))
    answer = await python<Answer>(executable, PROGRAM, [history.directory, ...versions])
  })
  afterAll(async () => await history.bench[Symbol.asyncDispose]())

  test('every version reads the same there', () => {
    // Spark leaves null fields out of JSON objects, not out of arrays: tags are whole.
    expect(answer.versions).toEqual(history.versions)
    const rows = history.versions.at(-1)?.rows ?? []
    expect(answer.filtered).toBe(rows.filter((row) => row.part === 'ü/%' && row.id >= 30).length)
  })

  test('what it commits is read here, also from its checkpoint, and merged into', async () => {
    const { bench, table } = history
    const ids = async () => (await bench.rows(table, { order: 'id', columns: 'id' }))?.map((row) => row['id'])

    expect(await ids()).toEqual(answer.ids)
    expect((await bench.rows(table, { order: 'id' }))?.find((row) => row['id'] === 901)).toMatchObject({
      name: 'merged there',
    })
    await table.merge(
      bench.session,
      "SELECT 901 AS id, 'ü/%' AS part, 'ours' AS name, NULL::DECIMAL(38,10) AS score, now() AS seen, ['x'] AS tags, NULL::DATE AS day",
      { ...once(), key: ['id'] },
    )
    expect(await ids()).toEqual(answer.ids)
  })
})
