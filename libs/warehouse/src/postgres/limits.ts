import type { WarehouseLimits } from '../limits.ts'

/**
 * Of PostgreSQL and PGlite. Sources: postgresql.org/docs/current/datatype-datetime.html; for the key
 * `BTMaxItemSize` of nbtree.h, of a row whose texts do not compress.
 */
export const POSTGRES_LIMITS: WarehouseLimits = {
  // The last date of PostgreSQL, 5874897-12-31, is within the engine's as well.
  dates: { first: '4713-01-01 (BC)', last: '5874897-12-31', holdsInfinity: true },
  instants: { first: '4713-01-01 (BC) 00:00:00', last: '294246-12-31 23:59:59.999999', holdsInfinity: true },
  // 2704 bytes without the tuple's own header, and up to 7 to align a column after the 4 of its length.
  key: { bytes: 2704 - 8, bytesPerText: 4 + 7, bytesPerOther: 32, text: 'utf8' },
}
