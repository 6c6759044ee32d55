import type { Answer, Described, EmbeddedDatabase } from './database.ts'
import type { ResultColumn, ResultType, ResultValue } from './tokens.ts'
import { translate } from './transact-sql.ts'

const DESCRIPTION: readonly ResultColumn[] = [
  { name: 'is_hidden', type: 'bit' },
  ...['name', 'system_type_name', 'source_schema', 'source_table', 'source_column'].map((name): ResultColumn => ({
    name,
    type: 'nvarchar',
  })),
]

/** As `sp_describe_first_result_set` answers, with the columns that matter. */
export async function describeResult(database: EmbeddedDatabase, sql: string): Promise<Answer> {
  const columns = await database.describe(queryOf(sql))
  const rows: ResultValue[][] = []
  for (const column of columns) {
    const { rows: sources } = await database.query(
      `SELECT n.nspname, c.relname, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.oid = $1 AND a.attnum = $2`,
      [String(column.tableId), String(column.columnId)],
    )
    rows.push(['f', column.name, typeName(column), ...(sources[0] ?? [null, null, null])])
  }
  return { columns: DESCRIPTION, rows, rowCount: rows.length }
}

function queryOf(sql: string): string {
  return translate(sql).replace(/;\s*(--[^\n]*)?\s*$/, '')
}

/** SQL Server's name for a type of PostgreSQL. */
function typeName({ typeId, modifier }: Described): string {
  const NUMERIC = 1700
  if (typeId === NUMERIC)
    return modifier < 0 ? 'decimal(38,6)' : `decimal(${(modifier - 4) >> 16},${(modifier - 4) & 0x7ff})`
  return NAMES[typeId] ?? 'nvarchar(max)'
}

const NAMES: Readonly<Record<number, string>> = {
  16: 'bit',
  17: 'varbinary(max)',
  20: 'bigint',
  21: 'smallint',
  23: 'int',
  700: 'real',
  701: 'float',
  1043: 'nvarchar(4000)',
  1082: 'date',
  1083: 'time(6)',
  1114: 'datetime2(6)',
  1184: 'datetimeoffset(6)',
  2950: 'uniqueidentifier',
}

/** As `EXEC … WITH RESULT SETS` answers: the rows in the types that are asked for. */
export async function runWithResultSet(
  database: EmbeddedDatabase,
  sql: string,
  definition: string,
  limit: number,
): Promise<Answer> {
  const { rows } = await database.query(queryOf(sql))
  const columns = [...definition.matchAll(/\[(\w+)\] (\w+)(?:\(([^)]*)\))? NULL/g)].map(
    ([, name = '', type = '', size]) => ({
      name,
      type: RESULT_TYPES[type] ?? ('nvarchar' as const),
      convert: size === '34' ? offsetText : size === '27' || size === '16' ? sevenDigits : (value: string) => value,
    }),
  )
  const converted = rows
    .slice(0, limit)
    .map((row) => columns.map(({ convert }, index) => (row[index] == null ? null : convert(row[index]))))
  return { columns, rows: converted, rowCount: converted.length }
}

const RESULT_TYPES: Readonly<Record<string, ResultType>> = {
  bit: 'bit',
  smallint: 'int',
  int: 'int',
  bigint: 'bigint',
  real: 'float',
  float: 'float',
  varbinary: 'varbinary',
}

/** `05:06:07.1` → `05:06:07.1000000`. */
function sevenDigits(text: string): string {
  const [whole = '', fraction = ''] = text.split('.')
  return `${whole}.${fraction.padEnd(7, '0')}`
}

function offsetText(text: string): string {
  return `${sevenDigits(text.replace(/\+00$/, ''))} +00:00`
}
