import { z } from 'zod'
import { template } from './template.ts'

export const FilesDataset = z.object({
  name: z.string(),
  /** Glob below the source's path; `{yyyy}`, `{MM}`, `{dd}`, `{HH}` stand for the business time in the name. */
  files: z.string(),
  /** What becomes of a window for which no file came. */
  whenMissing: z.enum(['fail', 'skip']),
})
export type FilesDataset = z.infer<typeof FilesDataset>

export const FilesSource = z.object({
  type: z.literal('files'),
  name: z.string(),
  /** Folder on the agent's machine. */
  path: template,
  /** The site whose agent reads it; commands go to `ingest-files.<site>`. */
  site: z.string().optional(),
  datasets: z.array(FilesDataset),
})
export type FilesSource = z.infer<typeof FilesSource>
