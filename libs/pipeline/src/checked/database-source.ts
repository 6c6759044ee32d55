import { z } from 'zod'
import { template } from './template.ts'

export const DatabaseDataset = z.object({
  name: z.string(),
  table: z.object({ schema: z.string(), name: z.string() }),
  /** Only rows whose cursor column lies in [end of the last window, end of this window). Without it the whole table. */
  incremental: z.object({ column: z.string() }).optional(),
})
export type DatabaseDataset = z.infer<typeof DatabaseDataset>

export const DatabaseSource = z.object({
  type: z.literal('database'),
  name: z.string(),
  /** `postgres://user:password@host:port/database`; the password as `${secret:NAME}`. */
  url: template,
  site: z.string().optional(),
  /** Which of the discovered tables are copied: `schema.table` patterns with `*`. */
  include: z.array(z.string()),
  exclude: z.array(z.string()),
  datasets: z.array(DatabaseDataset),
})
export type DatabaseSource = z.infer<typeof DatabaseSource>
