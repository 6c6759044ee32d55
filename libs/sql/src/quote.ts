/** A value as a SQL literal; a text with its quotes doubled. Of engines in which a backslash in a text stands for itself. */
export function literal(value: string | number | boolean): string {
  return typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value)
}

/** A name as a quoted SQL identifier. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Names as a comma-separated list of quoted identifiers. */
export function identifiers(names: readonly string[]): string {
  return names.map(identifier).join(', ')
}
