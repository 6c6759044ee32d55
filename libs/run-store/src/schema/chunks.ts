/**
 * In one statement. SQL Server takes 2,100, two of which the driver uses; PostgreSQL 65,535.
 * Source: learn.microsoft.com/sql/sql-server/maximum-capacity-specifications-for-sql-server
 */
export const MAX_PARAMETERS = 2000

export function chunks<Item>(items: readonly Item[], size: number): Item[][] {
  const length = Math.floor(size)
  const count = Math.ceil(items.length / length)
  return Array.from({ length: count }, (_, index) => items.slice(index * length, (index + 1) * length))
}
