import type { WarehouseLimits } from '../limits.ts'

/** Sources: learn.microsoft.com/sql/t-sql/data-types, …/sql-server/maximum-capacity-specifications-for-sql-server */
export const SQL_SERVER_LIMITS: WarehouseLimits = {
  dates: { first: '0001-01-01', last: '9999-12-31', holdsInfinity: false },
  instants: { first: '0001-01-01 00:00:00', last: '9999-12-31 23:59:59.999999', holdsInfinity: false },
  times: { first: '00:00:00', last: '23:59:59.999999', holdsInfinity: false },
  holdsNonFinite: false,
  // The key is the clustered index.
  key: { bytes: 900, bytesPerText: 0, bytesPerOther: 17, text: 'utf16' },
}
