/** Where in a SQL text something is, counted from 1. */
export type SqlPosition = { readonly line: number; readonly column: number }

/** What an engine says is wrong with a SQL text, and where. It speaks of the text, never of rows. */
export type SqlComplaint = { readonly message: string; readonly position: SqlPosition | undefined }

/**
 * The complaint of an error about a SQL text; undefined for any other error, such as of an engine out of memory. Engines
 * put it on their errors as `complaint`, so that a check of SQL need not know which engine it is.
 */
export function complaintOf(error: unknown): SqlComplaint | undefined {
  return error instanceof Error && 'complaint' in error && isComplaint(error.complaint) ? error.complaint : undefined
}

function isComplaint(value: unknown): value is SqlComplaint {
  return typeof value === 'object' && value !== null && 'message' in value && typeof value.message === 'string'
}
