/** How partition folders spell null, in Hive and in every reader since. */
const NULL_PARTITION = '__HIVE_DEFAULT_PARTITION__'

/**
 * Bytes. A segment of a path may have 255; longer values are truncated and suffixed with their length, since only the
 * log's values count.
 */
const MAX_VALUE_BYTES = 180

/** The folder of a partition: `day=2026-03-01/country=D%20E/`, empty for a table without partitions. */
export function partitionFolder(
  partitionBy: readonly string[],
  values: Readonly<Record<string, string | null>>,
): string {
  return partitionBy.map((name) => `${escaped(name)}=${valueName(values[name] ?? null)}/`).join('')
}

function valueName(value: string | null): string {
  if (value === null) return NULL_PARTITION
  const name = escaped(value)
  return name.length <= MAX_VALUE_BYTES ? name : `${name.slice(0, MAX_VALUE_BYTES)}~${value.length}`
}

/** Keeps characters that are safe in every file system and address; all others as `%XX`. */
function escaped(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

/**
 * Whether DuckDB takes a text in a folder's name for null; `NULL` it does in any case. Source: duckdb,
 * hive_partitioning.cpp
 */
function readsAsNull(value: string | null): boolean {
  return value === NULL_PARTITION || value?.toUpperCase() === 'NULL'
}

/**
 * Whether a reader of Hive partitions finds just these values in a file's path, so that it can prune by them.
 * @param file absolute local path
 */
export function pathSaysPartition(
  file: string,
  partitionBy: readonly string[],
  values: Readonly<Record<string, string | null>>,
): boolean {
  const found = new Map<string, string>()
  for (const segment of file.split('/').slice(0, -1)) {
    const at = segment.indexOf('=')
    if (at < 0) continue
    const name = segment.slice(0, at)
    if (found.has(name) || !partitionBy.includes(name)) return false
    found.set(name, segment.slice(at + 1))
  }
  return partitionBy.every((name) => {
    const value = values[name] ?? null
    return !readsAsNull(value) && found.get(name) === (value === null ? NULL_PARTITION : escaped(value))
  })
}
