import { z } from 'zod'
import { WindowSchema } from './header.ts'

export const LandedFile = z.object({
  /** Lake path. */
  path: z.string().min(1),
  /** The name as received, relative to the source; for people and for rejects. */
  name: z.string().min(1),
  sizeBytes: z.int().min(0),
  /** Lowercase hex digest of the bytes in the lake. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Known where the ingest made the file itself. */
  rowCount: z.int().min(0).optional(),
})
export type LandedFile = z.infer<typeof LandedFile>

/**
 * What an ingest task landed: `raw/_landed/<pipeline>/<window>/<task>.json`. It is put if absent, last: the data is there
 * for others when the manifest is. No files means that there was nothing new in the window.
 */
export const Manifest = z.object({
  version: z.literal(1),
  run: z.string(),
  task: z.string(),
  generation: z.int().min(1),
  source: z.string(),
  dataset: z.string(),
  window: WindowSchema,
  format: z.enum(['csv', 'parquet']),
  files: z.array(LandedFile),
  rowCount: z.int().min(0).optional(),
  /** Database tables: columns in order, with the types of the Parquet files, and the primary key. */
  columns: z.array(z.object({ name: z.string(), type: z.string() })).optional(),
  primaryKey: z.array(z.string()).optional(),
  /** Incremental datasets: the interval of the cursor that was read. */
  cursor: z.object({ column: z.string(), since: z.iso.datetime().nullable(), until: z.iso.datetime() }).optional(),
})
export type Manifest = z.infer<typeof Manifest>

/** Lake path of a task's manifest. `taskFile` is `taskFileName(task)`; a re-run of a finished window has its own. */
export function manifestPath(pipeline: string, windowLabel: string, taskFile: string, generation: number): string {
  const suffix = generation === 1 ? '' : `.g${generation}`
  return `raw/_landed/${pipeline}/${windowLabel}/${taskFile}${suffix}.json`
}
