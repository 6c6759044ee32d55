import { z } from 'zod'

/** How an object within a record is written: its fields as columns (`address.city`), or as JSON in one. */
export const Flatten = z.enum(['dots', 'json'])
export type Flatten = z.infer<typeof Flatten>

/** What becomes of fields that the contract does not know. */
export const DriftPolicy = z.enum(['evolve', 'ignore', 'rescue', 'fail'])
export type DriftPolicy = z.infer<typeof DriftPolicy>

/** How the records of a REST dataset become rows. */
export const datasetLanding = {
  /** Fields that tell records apart, as they are called in the file. Of several with one key the last one read stays. */
  key: z.array(z.string()).optional(),
  /** By field, `*` for all others. */
  flatten: z.record(z.string(), Flatten).optional(),
  /** `evolve` where it is absent. */
  drift: DriftPolicy.optional(),
  /** A second file beside the first is safe to be opened in a spreadsheet. */
  guardFormulas: z.boolean().optional(),
  /** The path has values of another dataset's rows (`{users.id}`); one request, or one row of pages, for each. */
  parent: z
    .object({
      dataset: z.string(),
      /** Columns of the parent's file that the path names, in order. */
      fields: z.array(z.string()).min(1),
      /** Parents that are asked about at once. */
      concurrency: z.int().positive(),
    })
    .optional(),
  /** The rows are the items of a list in another dataset's rows; nothing is asked for. */
  explodedFrom: z
    .object({
      dataset: z.string(),
      field: z.string(),
      /** Columns of the parent that come along. */ key: z.array(z.string()),
    })
    .optional(),
}
