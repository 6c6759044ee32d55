/** A value as a SQL string literal. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** A name as a quoted SQL identifier. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function identifiers(names: readonly string[]): string {
  return names.map(identifier).join(', ')
}
