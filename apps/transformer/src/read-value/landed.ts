import { literal } from '@cinelake/sql'
import type { CheckedColumn } from '@cinelake/pipeline'
import { readColumn, type ColumnSql } from './column.ts'

const TEXTUAL = /^(?:VARCHAR|JSON|UUID|ENUM\()/
const NUMERIC = /^(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|FLOAT|DOUBLE|DECIMAL)/
const LOCAL = /^TIMESTAMP(?:_S|_MS|_NS)?$/
const INSTANT = 'TIMESTAMP WITH TIME ZONE'

/**
 * How a column that was landed with a type is converted to one of the contract. Text is parsed like the text of a file;
 * other types are cast, and a value that the cast would change is not of the type.
 */
export function readLanded(
  { type, reading }: CheckedColumn,
  raw: string,
  landed: string,
  nulls: readonly string[],
): ColumnSql {
  const text = `CAST(${raw} AS VARCHAR)`
  if (TEXTUAL.test(landed) || type === 'VARCHAR') return readColumn({ type, reading }, text, nulls)
  const zone = literal(reading.timeZone ?? 'UTC')
  if (landed === type) return { value: raw, text }
  if (LOCAL.test(landed) && type === INSTANT) return { value: `timezone(${zone}, CAST(${raw} AS TIMESTAMP))`, text }
  if (landed === INSTANT && type === 'DATE') return { value: `CAST(timezone(${zone}, ${raw}) AS DATE)`, text }
  const cast = `try_cast(${raw} AS ${type})`
  return {
    value: NUMERIC.test(landed) && NUMERIC.test(type) ? `CASE WHEN ${cast} = ${raw} THEN ${cast} END` : cast,
    text,
  }
}
