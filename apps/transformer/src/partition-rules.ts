import { identifier } from '@cinelake/sql'

/** A rule of severity `error` for values of a column that a table is partitioned by. */
export type PartitionRule = { readonly name: string; readonly severity: 'error'; readonly expression: string }

/** Bytes. The longest name of a folder in file systems; the engine writes one for each value. */
const MAX_NAME_BYTES = 255

/**
 * The rules by which rows are rejected whose partition a Delta table has no form for: a date beyond the years 1 to 9999, an
 * empty text, which readers take for no value, and one that is too long for the name of a folder. Source: delta.io, PROTOCOL.md#partition-value-serialization
 */
export function partitionRules(
  partitionBy: readonly string[],
  columns: readonly { readonly name: string; readonly type: string }[],
): PartitionRule[] {
  return columns
    .filter(({ name }) => partitionBy.includes(name))
    .flatMap(({ name, type }): PartitionRule[] => {
      const value = identifier(name)
      const rule = (asked: string, expression: string): PartitionRule => ({
        name: `partition(${name}): ${asked}`,
        severity: 'error',
        expression,
      })
      if (type === 'DATE')
        return [rule('the years 1 to 9999', `${value} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31'`)]
      if (type !== 'VARCHAR') return []
      const room = MAX_NAME_BYTES - `${encodeURIComponent(name)}=`.length
      return [
        rule('a text that is not empty', `${value} <> ''`),
        // An escaped byte takes three.
        rule(
          `at most ${room} bytes in a folder's name`,
          `3 * strlen(${value}) <= ${room} OR strlen(url_encode(${value})) <= ${room}`,
        ),
      ]
    })
}
