import { z } from 'zod'
import { template } from './template.ts'

const allowed = z.enum(['fail', 'skip'])

/** What becomes of a file that is not as it should be. */
const FileProblems = z.object({
  /** It may not be read. Default: `fail`. */
  forbidden: allowed.optional(),
  /** No object of the lake can be called so. Default: `skip`. */
  misnamed: allowed.optional(),
  /** It has no bytes. Default: `land`. */
  empty: z.enum(['land', 'fail', 'skip']).optional(),
  /** It is still being written, has no marker yet, or is locked. Default: `fail`, which is tried again. */
  unstable: allowed.optional(),
})
export type FileProblems = z.infer<typeof FileProblems>

export const FilesDataset = z.object({
  name: z.string(),
  /** Glob below the source's path; `{yyyy}`, `{MM}`, `{dd}`, `{HH}` stand for the business time in the name. */
  files: z.string(),
  /** What becomes of a window for which no file came. */
  whenMissing: allowed,
  /** What says which window a file belongs to. Default: `name`. */
  windowFrom: z.enum(['name', 'modified', 'arrival']).optional(),
  /** Bytes that landed in another window are not landed again. Default: false. */
  once: z.boolean().optional(),
  /** Milliseconds that a file has to have been at rest. Default: not looked at. */
  restMs: z.int().min(0).optional(),
  /** Name of the file beside it that says that a file is complete; `{name}` and `{stem}` stand for the file's. */
  marker: z.string().optional(),
  onProblem: FileProblems.optional(),
  /** What becomes of files that come after their window was ingested. Default: `report`. */
  late: z.enum(['report', 'include']).optional(),
  /** Milliseconds before the window in which late files are looked for. Default: 7 days. */
  lateForMs: z.int().min(0).optional(),
  /** What becomes of files that have landed. Default: `leave`. */
  afterLanding: z.union([z.enum(['leave', 'delete']), z.object({ archive: template })]).optional(),
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
