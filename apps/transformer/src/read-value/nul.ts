import type { Sql } from './text.ts'

/** Whether values of a type are made of text. */
export function isTextual(type: string): boolean {
  return type === 'VARCHAR' || type === 'VARCHAR[]'
}

/** Whether a text has NUL in it: the one character that SQL text may hold in files and engines, and not in a database. */
export function hasNul(value: Sql, type = 'VARCHAR'): Sql {
  return `coalesce(contains(${type === 'VARCHAR' ? value : `CAST(${value} AS VARCHAR)`}, chr(0)), false)`
}
