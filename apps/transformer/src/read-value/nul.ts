import type { Sql } from './text.ts'

/** Whether values of a type contain text. */
export function isTextual(type: string): boolean {
  return type === 'VARCHAR' || type === 'VARCHAR[]'
}

/**
 * Whether a text contains NUL: the one character that SQL text may hold in files and engines, but not in a database.
 */
export function hasNul(value: Sql, type = 'VARCHAR'): Sql {
  return `coalesce(contains(${type === 'VARCHAR' ? value : `CAST(${value} AS VARCHAR)`}, chr(0)), false)`
}
