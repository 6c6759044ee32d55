import type { CheckedColumn, ColumnReading } from '@cinelake/pipeline'
import { type ColumnSql, booleanOf, readColumn } from './column.ts'
import { dayAlone, timeAlone } from './date-format.ts'
import { typedItems } from './list.ts'
import { EXACT_BELOW, exactly, isNumber } from './number.ts'
import { type Sql, withValues } from './text.ts'
import { instantIn, localIn } from './zone.ts'

const TEXTUAL = /^(?:VARCHAR|JSON|UUID|ENUM\(.*\))$/
const NESTED = /^(?:STRUCT|MAP|UNION)\(.*\)$|\]$/
const NUMERIC = /^(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|FLOAT|DOUBLE|DECIMAL\(.*\))$/
const LOCAL = /^(?:TIMESTAMP(?:_S|_MS|_NS)?|DATE)$/
const INSTANT = 'TIMESTAMP WITH TIME ZONE'

/**
 * How a column that was landed with a type is converted to one of the contract. Text for another type is parsed like
 * the text of a file; text for text is taken as it is, without trimming, unless the reading asks for more. Other types
 * are cast, and a value that the cast would change or cut is not of the type.
 */
export function readLanded(
  { type, reading }: Pick<CheckedColumn, 'type' | 'reading'>,
  raw: Sql,
  landed: string,
  nulls: readonly string[],
): ColumnSql {
  const isPlain = reading.extract === undefined && reading.path === undefined
  if (type.endsWith('[]') && landed.endsWith('[]') && isPlain) return readList({ type, reading }, raw, landed)
  const text = NESTED.test(landed) ? `CAST(to_json(${raw}) AS VARCHAR)` : `CAST(${raw} AS VARCHAR)`
  const isText = TEXTUAL.test(landed) || NESTED.test(landed)
  // A format says what a number means as a time: seconds since 1970, the days of a spreadsheet.
  const isTime = type === 'DATE' || type === 'TIME' || type === INSTANT
  const isCounted = NUMERIC.test(landed) && isTime && reading.formats !== undefined
  if (isText || type === 'VARCHAR' || !isPlain || isCounted) return readColumn({ type, reading }, text, nulls, true)
  return { value: converted(raw, landed, type, reading), text }
}

function readList({ type, reading }: Pick<CheckedColumn, 'type' | 'reading'>, raw: Sql, landed: string): ColumnSql {
  const text = `CAST(to_json(${raw}) AS VARCHAR)`
  const [item, landedItem] = [type.slice(0, -2), landed.slice(0, -2)]
  const { values } = reading
  const isKept = landed === type && reading.emptyItems !== 'drop' && values === undefined
  if (isKept) return { value: raw, text }
  const replaced =
    values === undefined ? raw : `list_transform(${raw}, lambda item: ${withValues('CAST(item AS VARCHAR)', values)})`
  const from = values === undefined ? landedItem : 'VARCHAR'
  const element = (one: Sql) =>
    from === item ? one : readLanded({ type: item, reading: { ...reading, values: undefined } }, one, from, []).value
  const typed = typedItems(replaced, element, (one) => `${one} IS NULL`)
  const isEmpty = item === 'VARCHAR' ? `coalesce(trim(item), '') = ''` : 'item IS NULL'
  return { value: reading.emptyItems === 'drop' ? `list_filter(${typed}, lambda item: NOT (${isEmpty}))` : typed, text }
}

function converted(raw: Sql, landed: string, type: string, reading: ColumnReading): Sql {
  if (landed === type) return raw
  if (NUMERIC.test(landed)) {
    if (isNumber(type)) return numberFrom(raw, landed, type)
    if (type === 'BOOLEAN') return booleanOf(`CAST(${raw} AS VARCHAR)`)
  }
  if (LOCAL.test(landed)) {
    const local = kept(raw, landed, 'TIMESTAMP')
    if (type === INSTANT) return instantIn(local, reading)
    if (type === 'DATE') return dayAlone(local)
    if (type === 'TIME') return timeAlone(local)
  }
  if (landed === INSTANT && (type === 'DATE' || type === 'TIME')) {
    const local = localIn(reading.timeZone ?? 'UTC', raw)
    return type === 'DATE' ? dayAlone(local) : timeAlone(local)
  }
  if (landed === 'TIME_NS' && type === 'TIME') return kept(raw, landed, type)
  const cast = `try_cast(${raw} AS ${type})`
  // What is left has no smaller type than its own to be cast to: a time with a zone has more than a TIME.
  return landed === 'TIME WITH TIME ZONE'
    ? `CASE WHEN CAST(${raw} AS VARCHAR) = CAST(${cast} AS VARCHAR) || '+00' THEN ${cast} END`
    : cast
}

/** A cast that can be undone. */
function kept(raw: Sql, landed: string, type: string): Sql {
  if (landed === type) return raw
  const cast = `try_cast(${raw} AS ${type})`
  return `CASE WHEN CAST(${cast} AS ${landed}) = ${raw} THEN ${cast} END`
}

function numberFrom(raw: Sql, landed: string, type: string): Sql {
  const cast = `try_cast(${raw} AS ${type})`
  const isFloating = landed === 'FLOAT' || landed === 'DOUBLE'
  if (type === 'DOUBLE') {
    // Whole numbers from 2^53 on may lie between two of its values.
    return isFloating
      ? cast
      : `CASE WHEN abs(${raw}) < ${EXACT_BELOW} THEN ${cast} ELSE ${exactly(`CAST(${raw} AS VARCHAR)`, type)} END`
  }
  if (!isFloating || !type.startsWith('DECIMAL(')) return `CASE WHEN ${cast} = ${raw} THEN ${cast} END`
  // The digits that it prints are those that were meant; the cast would fill all places behind the point. Larger ones are
  // whole numbers, whose digits the cast would get wrong by multiplying them.
  const whole = `format('{:.0f}', CAST(${raw} AS DOUBLE))`
  return `CASE WHEN abs(${raw}) < ${landed === 'FLOAT' ? '16777216' : EXACT_BELOW} THEN ${exactly(`CAST(${raw} AS VARCHAR)`, type)} WHEN isfinite(${raw}) THEN ${exactly(whole, type)} END`
}
