/** Digits of a version in a file name. Source: PROTOCOL.md#delta-log-entries */
const VERSION_DIGITS = 20

/** The folder of a table in which its log is. */
export const LOG_FOLDER = '_delta_log'

export function logFolder(table: string): string {
  return `${table}/${LOG_FOLDER}`
}

export function commitPath(table: string, version: number): string {
  return `${logFolder(table)}/${padded(version)}.json`
}

export function checkpointPath(table: string, version: number): string {
  return `${logFolder(table)}/${padded(version)}.checkpoint.parquet`
}

/** Names the newest checkpoint. A hint that only speeds up reading. */
export function lastCheckpointPath(table: string): string {
  return `${logFolder(table)}/_last_checkpoint`
}

/**
 * Exists while the first commit of a table is in progress: without it, data files without a log mean that the log was
 * lost, not that the first writer died.
 */
export function begunPath(table: string): string {
  return `${logFolder(table)}/_begun`
}

/** Listing after this path gives the version's own files and all later ones. */
export function beforeVersion(table: string, version: number): string {
  return `${logFolder(table)}/${padded(version)}`
}

function padded(version: number): string {
  return String(version).padStart(VERSION_DIGITS, '0')
}

export type LogFile =
  | { readonly kind: 'commit'; readonly version: number }
  /** One of `parts` files that make a checkpoint together. */
  | { readonly kind: 'checkpoint'; readonly version: number; readonly part: number; readonly parts: number }

/** The kind of a log file by its name; undefined for unknown names. */
export function parseLogFile(path: string): LogFile | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const commit = /^(\d{20})\.json$/.exec(name)
  if (commit !== null) return { kind: 'commit', version: Number(commit[1]) }
  const checkpoint = /^(\d{20})\.checkpoint(?:\.(\d{10})\.(\d{10}))?\.parquet$/.exec(name)
  if (checkpoint === null) return undefined
  const [, version, part = '1', parts = '1'] = checkpoint
  return { kind: 'checkpoint', version: Number(version), part: Number(part), parts: Number(parts) }
}

/** A data file's path in the log: each segment URI-encoded. */
export function encodePath(path: string): string {
  return path
    .split('/')
    .map((segment) => encodeURIComponent(segment).replaceAll('%3D', '='))
    .join('/')
}

/** @returns undefined for what is no relative path */
export function decodePath(path: string): string | undefined {
  if (/^[A-Za-z][A-Za-z0-9+.-]*:|^\//.test(path)) return undefined
  try {
    return decodeURIComponent(path)
  } catch {
    return undefined
  }
}
