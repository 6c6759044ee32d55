import { literal } from '@cinelake/sql'

/**
 * A landed Parquet file as a relation with only the columns in it: by default the engine takes a folder named
 * `NAME=VALUE`, anywhere in the file's path, for a column, even in place of one in the file.
 */
export function landedParquet(file: string, ...options: readonly string[]): string {
  return `read_parquet(${[literal(file), 'hive_partitioning = false', ...options].join(', ')})`
}
