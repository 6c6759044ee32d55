import { literal } from '@cinelake/sql'
import type { ColumnReading } from '@cinelake/pipeline'
import { type Sql, bound } from './text.ts'

/** Microseconds. No zone has two transitions within two days. */
const DAY = '86400000000'

/** Microseconds since 1970. Days before the engine's last instant, so that those around a time are instants as well. */
const FARTHEST = '9223371600000000000'

/**
 * The instant of a local time in a zone. NULL for a local time that the zone skips, for one that it has twice, unless
 * `ambiguous` says which is meant, and for one at the ends of the engine's range, around the years −290308 and 294246.
 * @param local an expression of type TIMESTAMP
 */
export function instantIn(
  local: Sql,
  { timeZone = 'UTC', ambiguous }: Pick<ColumnReading, 'timeZone' | 'ambiguous'>,
): Sql {
  // In UTC, the session's zone, a cast gives the result of `timezone`.
  if (timeZone === 'UTC') return `try_cast(${local} AS TIMESTAMPTZ)`
  // Parsed once, since the local time is looked at from several sides.
  return bound(local, 'local', (found) => instantInZone(found, literal(timeZone), ambiguous))
}

/** What clocks in a zone show at an instant, as a TIMESTAMP; NULL where that is beyond the engine's range. */
export function localIn(timeZone: string, instant: Sql): Sql {
  return `TRY(timezone(${literal(timeZone)}, ${instant}))`
}

/** @param zone an expression: the zone's name, which exists */
export function instantInZone(local: Sql, zone: Sql, ambiguous: ColumnReading['ambiguous']): Sql {
  /** What clocks show a day before or after: offsets that are equal then are equal all the time in between. */
  const shownAt = (us: Sql) => `epoch_us(timezone(${zone}, make_timestamptz(${us})))`
  const offsetAt = (us: Sql) => `(${shownAt(us)} - (${us}))`
  const chosen = (us: Sql) =>
    bound(
      `[${us} - ${offsetAt(`${us} - ${DAY}`)}, ${us} - ${offsetAt(`${us} + ${DAY}`)}]`,
      'candidates',
      (candidates) =>
        bound(
          `list_sort(list_distinct(list_filter(${candidates}, lambda one: ${shownAt('one')} = ${us})))`,
          'instants',
          (instants) => {
            const index = ambiguous === 'earlier' ? 1 : -1
            const wanted = `make_timestamptz(${instants}[${index}])`
            return ambiguous === undefined ? `CASE WHEN len(${instants}) = 1 THEN ${wanted} END` : wanted
          },
        ),
    )
  const us = `epoch_us(${local})`
  return `CASE WHEN ${local} IS NULL THEN NULL WHEN NOT isfinite(${local}) THEN CAST(${local} AS TIMESTAMPTZ) \
WHEN ${us} NOT BETWEEN -${FARTHEST} AND ${FARTHEST} THEN NULL \
WHEN ${shownAt(`${us} + ${DAY}`)} - ${shownAt(`${us} - ${DAY}`)} = 2 * ${DAY} THEN make_timestamptz(${us} - (${offsetAt(`${us} - ${DAY}`)})) \
ELSE ${bound(us, 'us', chosen)} END`
}
