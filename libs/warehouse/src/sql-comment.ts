/** Where a comment in C style ends that begins at an offset: they nest in PostgreSQL and in T-SQL. The end of the text if it is open. */
export function endOfComment(sql: string, start: number): number {
  let depth = 0
  for (let at = start; at < sql.length; at += 1) {
    if (sql.startsWith('/*', at)) depth += 1
    else if (sql.startsWith('*/', at)) depth -= 1
    else continue
    at += 1
    if (depth === 0) return at + 1
  }
  return sql.length
}
