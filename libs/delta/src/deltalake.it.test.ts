import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { once } from './delta.fixture.ts'
import { aTableWithAHistory, python, type Expected, type Reading, type TableHistory } from './readers.fixture.ts'

/**
 * How a program ends: at once. Threads of pyarrow and delta-rs now and then abort the interpreter while it takes itself
 * apart ("terminate called without an active exception", seen with 1.6.6 and 26.0.1), when all is done and printed.
 */
const END = `
import os
sys.stdout.flush()
os._exit(0)
`

/** Prints the rows of some versions. Written for deltalake 1.x (delta-rs) with pyarrow. */
const READ = `
import json, sys
from deltalake import DeltaTable
def reading(row):
    return {'id': row['id'], 'part': row['part'], 'name': row['name'],
        'score': None if row['score'] is None else format(row['score'], 'f'),
        'seen': row['seen'].strftime('%Y-%m-%d %H:%M:%S.%f'), 'day': None if row.get('day') is None else str(row['day']),
        'tags': json.dumps(row['tags'], separators=(',', ':'))}
out = []
for version in map(int, sys.argv[2:]):
    table = DeltaTable(sys.argv[1], version=version)
    rows = sorted((reading(row) for row in table.to_pyarrow_table().to_pylist()), key=lambda row: row['id'])
    out.append({'version': version, 'rows': rows})
print(json.dumps(out))
${END}`

/** Appends, deletes and makes a checkpoint, as another writer of the same table. */
const WRITE = `
import json, sys
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
table = DeltaTable(sys.argv[1])
schema = pa.schema([('id', pa.int32()), ('part', pa.string()), ('name', pa.string()), ('score', pa.decimal128(38, 10)),
    ('seen', pa.timestamp('us', 'UTC')), ('tags', pa.list_(pa.string())), ('day', pa.date32())])
rows = pa.Table.from_pylist([{'id': 900, 'part': 'ü/%', 'name': 'theirs', 'seen': 0, 'tags': ['x'] }, {'id': 901, 'name': 'theirs', 'seen': 0}], schema)
write_deltalake(table, rows, mode='append')
table.delete("id >= 200 AND id < 205")
table.create_checkpoint()
print(json.dumps({'version': DeltaTable(sys.argv[1]).version()}))
${END}`

const executable = process.env['CINELAKE_TEST_DELTALAKE_PYTHON'] ?? ''
const reason =
  executable === ''
    ? ' (skipped: CINELAKE_TEST_DELTALAKE_PYTHON does not name a Python with deltalake and pyarrow)'
    : ''

describe.skipIf(executable === '')(`tables shared with delta-rs${reason}`, () => {
  let history: TableHistory
  beforeAll(async () => {
    history = await aTableWithAHistory()
  })
  afterAll(async () => await history.bench[Symbol.asyncDispose]())

  test('every version reads the same there', async () => {
    const versions = history.versions.map(({ version }) => String(version))

    expect(await python<Expected[]>(executable, READ, [history.directory, ...versions])).toEqual(history.versions)
  })

  test('what they commit is read here, also from their checkpoint, and merged into', async () => {
    const { version } = await python<{ version: number }>(executable, WRITE, [history.directory])
    const { bench, table } = history
    const ids = async () => (await bench.rows(table, { order: 'id', columns: 'id' }))?.map((row) => row['id'])

    const before = (history.versions.at(-1)?.rows ?? []).map((row: Reading) => row.id)
    const expected = [...before.filter((id) => id < 200 || id >= 205), 900, 901]
    expect((await table.snapshot())?.version).toBe(version)
    expect(await ids()).toEqual(expected)

    await table.merge(
      bench.session,
      "SELECT 901 AS id, NULL::VARCHAR AS part, 'ours' AS name, NULL::DECIMAL(38,10) AS score, now() AS seen, ['x'] AS tags, NULL::DATE AS day",
      { ...once(), key: ['id'] },
    )
    expect(await ids()).toEqual(expected)
    expect((await bench.rows(table, { order: 'id' }))?.at(-1)).toMatchObject({ id: 901, name: 'ours' })
    const [reread] = await python<Expected[]>(executable, READ, [history.directory, String(version + 1)])
    expect(reread?.rows.map((row) => row.id)).toEqual(expected)
  })
})
