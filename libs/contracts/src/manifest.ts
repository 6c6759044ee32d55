import { z } from 'zod'
import { QualityResult } from './task-facts.ts'
import { WindowSchema } from './commands.ts'

export const LandedFile = z.object({
  /** Lake path. */
  path: z.string().min(1),
  /** The name as received, relative to the source; for display and for rejects. */
  name: z.string().min(1),
  sizeBytes: z.int().min(0),
  /** Lowercase hex digest of the bytes in the lake. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Known where the ingest made the file itself. */
  rowCount: z.int().min(0).optional(),
  /** Files as received: their compression, detected from their first bytes. */
  compression: z.enum(['gzip', 'zip', 'zstd']).optional(),
  /** Files as received: last modification time at the source. */
  modifiedAt: z.iso.datetime().optional(),
  /** Known where the ingest made the file itself, or read all of it. */
  delimiter: z.string().length(1).optional(),
  /** Made from records (JSON, XML) that each have the fields they have: a column that none of them had is not in the file. */
  ofRecords: z.literal(true).optional(),
  /**
   * A file of typed rows: some values of the columns `of` do not fit the type that their column landed as. There they
   * are NULL, and the struct `column` holds them as the source wrote them, in fields with the names of `of`.
   */
  unfit: z.object({ column: z.string().min(1), of: z.array(z.string()).min(1) }).optional(),
  /** The label of the window that a late file belongs to, if it differs from the manifest's. */
  lateFor: z.string().optional(),
})
export type LandedFile = z.infer<typeof LandedFile>

/** A file that was found for a window and not landed. */
export const LeftOutFile = z.object({
  name: z.string().min(1),
  /**
   * `landed-before`: the same bytes were landed by another window, or by this one under another name. `misnamed`: its
   * name is not a valid lake path. `unusable`: a push that cannot be converted to rows; its bytes stay where they are.
   */
  reason: z.enum(['landed-before', 'empty', 'forbidden', 'unstable', 'misnamed', 'unusable']),
  /** What is wrong with it, without any of its content. */
  problem: z.string().optional(),
  /** Its number of rows, where they were counted. */
  rowCount: z.int().min(0).optional(),
  /** The digest of the same bytes in the lake, where they are known to be there. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
})
export type LeftOutFile = z.infer<typeof LeftOutFile>

/** The position that an incremental dataset was read up to. `since` is null where everything up to `until` was read. */
export const LandedCursor = z.union([
  /** A column of times: rows in `[since, until)`. */
  z.object({ column: z.string(), since: z.iso.datetime().nullable(), until: z.iso.datetime() }),
  /**
   * A column of numbers, or a `rowversion`, in decimal digits: rows in `(since, until]`. `until` is null where there
   * were none yet.
   */
  z.object({
    kind: z.literal('number'),
    column: z.string(),
    since: z.string().nullable(),
    until: z.string().nullable(),
  }),
  /**
   * Versions of SQL Server's Change Tracking: what was written or deleted in `(since, until]`, or the whole table as of
   * `until`.
   */
  z.object({ kind: z.literal('changes'), since: z.string().nullable(), until: z.string() }),
  /**
   * Cursor of a REST API: returned at the end of one read, sent with the next one. What changed since `since`, or
   * everything. Opaque.
   */
  z.object({ kind: z.literal('token'), since: z.string().nullable(), until: z.string().nullable() }),
])
export type LandedCursor = z.infer<typeof LandedCursor>

/** The column of a landing of changes that is true for deleted rows: only their key is known. */
export const DELETED_COLUMN = '_deleted'

/**
 * What an ingest task landed: `raw/_landed/<pipeline>/<window>/<task>.json`. Written last, put-if-absent: the data
 * becomes visible with the manifest. No files means that there was nothing new in the window.
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
  /** REST sources: records that were read more than once, each landed once. */
  duplicateCount: z.int().min(0).optional(),
  /**
   * REST sources: where the answers are that the file was made from, as received, an object each; how many, and their size in
   * the lake.
   */
  answers: z.object({ folder: z.string().min(1), count: z.int().min(0), sizeBytes: z.int().min(0) }).optional(),
  /**
   * No answer of a REST source had a list of records (status 204, null, a status that is ignored), or no push came, so that
   * nothing is known of the table. Without this, `rowCount: 0` means that it is empty.
   */
  noContent: z.literal(true).optional(),
  /**
   * REST sources: every answer was JSON, so that a text is a value of its source as it is: empty, `null`, or with blanks around it.
   * In the CSV, an empty text has quotes, and a missing value has none.
   */
  isTyped: z.literal(true).optional(),
  /** Findings about the data: fields that the contract does not declare, and the like. */
  quality: z.array(QualityResult).optional(),
  /** Files sources: files found for the window and skipped, as its dataset allows. */
  leftOut: z.array(LeftOutFile).optional(),
  /** Files sources: files that arrived after their window had been ingested; they land when that window is re-run. */
  late: z.array(z.object({ name: z.string().min(1), window: z.string().min(1) })).optional(),
  /**
   * Datasets that take each file once: a digest that the processed-file ledger contains, of this window or an earlier
   * one. If it is missing there later, the ledger has lost entries.
   */
  claimed: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  /** Database tables: columns in order, with the types of the Parquet files, and the primary key. */
  columns: z.array(z.object({ name: z.string(), type: z.string() })).optional(),
  primaryKey: z.array(z.string()).optional(),
  /** Database tables: the consistent snapshot that they were read from, where all tables of the source share one. */
  snapshot: z.string().optional(),
  /** Incremental datasets: the range that was read. */
  cursor: LandedCursor.optional(),
})
export type Manifest = z.infer<typeof Manifest>
