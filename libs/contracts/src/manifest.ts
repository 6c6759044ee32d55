import { z } from 'zod'
import { QualityResult } from './task-facts.ts'
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
  /** Files as received that are packed: found out from their first bytes. */
  compression: z.enum(['gzip', 'zip']).optional(),
  /** Files as received: when it was last written to, where it was taken from. */
  modifiedAt: z.iso.datetime().optional(),
  /** Known where the ingest made the file itself, or looked at all of it. */
  delimiter: z.string().length(1).optional(),
  /** The label of the window that a late file belongs to, when that is not the manifest's. */
  lateFor: z.string().optional(),
})
export type LandedFile = z.infer<typeof LandedFile>

/** A file that was found for a window and is not among its landed ones. */
export const LeftOutFile = z.object({
  name: z.string().min(1),
  /**
   * `landed-before`: the same bytes are among the files of another window, or of this one under another name. `misnamed`:
   * no object of the lake can be called so. `unusable`: a push that cannot become rows; its bytes stay where they are.
   */
  reason: z.enum(['landed-before', 'empty', 'forbidden', 'unstable', 'misnamed', 'unusable']),
  /** What is wrong with it, in words that repeat nothing of its content. */
  problem: z.string().optional(),
  /** How many rows that are, where they were counted. */
  rowCount: z.int().min(0).optional(),
  /** Where the same bytes are known to be in the lake: their digest. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
})
export type LeftOutFile = z.infer<typeof LeftOutFile>

/** How far an incremental dataset was read. `since` is null where everything up to `until` was. */
export const LandedCursor = z.union([
  /** A column of times: rows in `[since, until)`. */
  z.object({ column: z.string(), since: z.iso.datetime().nullable(), until: z.iso.datetime() }),
  /** A column of numbers, or a `rowversion`, in decimal digits: rows in `(since, until]`. `until` is null where there were none yet. */
  z.object({
    kind: z.literal('number'),
    column: z.string(),
    since: z.string().nullable(),
    until: z.string().nullable(),
  }),
  /** Versions of SQL Server's Change Tracking: what was written or deleted in `(since, until]`, or the whole table as of `until`. */
  z.object({ kind: z.literal('changes'), since: z.string().nullable(), until: z.string() }),
  /** What a REST API told at its end, and wants to be told the next time: what changed since `since`, or everything. Opaque. */
  z.object({ kind: z.literal('token'), since: z.string().nullable(), until: z.string().nullable() }),
])
export type LandedCursor = z.infer<typeof LandedCursor>

/** The column of a landing of changes that is true in rows which stand for a deleted one: of those only the key is known. */
export const DELETED_COLUMN = '_deleted'

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
  /** REST sources: records that were read more than once, of which one landed. */
  duplicateCount: z.int().min(0).optional(),
  /** What the landing found out about the data: fields that the contract does not know, and the like. */
  quality: z.array(QualityResult).optional(),
  /** Files sources: what was found for the window and left out, as its dataset allows. */
  leftOut: z.array(LeftOutFile).optional(),
  /** Files sources: what came after the window that it belongs to had been ingested, and waits for that to be run again. */
  late: z.array(z.object({ name: z.string().min(1), window: z.string().min(1) })).optional(),
  /**
   * Datasets that take each file once: the digest of bytes that the ledger of processed files has, of this window or of
   * one before. Where it does not have them any more, it has lost what it held.
   */
  claimed: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  /** Database tables: columns in order, with the types of the Parquet files, and the primary key. */
  columns: z.array(z.object({ name: z.string(), type: z.string() })).optional(),
  primaryKey: z.array(z.string()).optional(),
  /** Database tables: the moment as of which they were read, where all tables of the source share one. */
  snapshot: z.string().optional(),
  /** Incremental datasets: what was read. */
  cursor: LandedCursor.optional(),
})
export type Manifest = z.infer<typeof Manifest>
