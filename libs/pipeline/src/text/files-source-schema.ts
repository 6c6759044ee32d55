import { z } from 'zod'
import { FileReading } from '../checked/dataset.ts'
import { mapping } from './check-shape.ts'
import { commonDataset, nulls, site } from './dataset-schema.ts'
import { duration, oneCharacter, tableName, text } from './schema-words.ts'

const skipOrFail = z.enum(['skip', 'fail'])

const filesDataset = mapping({
  files: text.describe(
    "Glob below the source's path; `{yyyy}`, `{MM}`, `{dd}`, `{HH}` stand for the start of the window.",
  ),
  whenMissing: z
    .enum(['fail', 'skip'])
    .optional()
    .describe('What becomes of a window for which no file came. Default: `fail`. The same as `onProblem.missing`.'),
  windowFrom: z
    .enum(['name', 'modified', 'arrival'])
    .optional()
    .describe(
      'Which window a file belongs to: that of the time in its name, that in which it was last written to, or that in which it came into the folder. Default: `name`.',
    ),
  once: z
    .boolean()
    .optional()
    .describe(
      'Bytes that have landed in another window are not landed again, whatever they are called. Default: `false`.',
    ),
  stable: duration
    .optional()
    .describe('Size and times of a file have to have been at rest for so long. Default: it is not looked at.'),
  marker: text
    .optional()
    .describe(
      'Name of a file beside it that says that a file is complete: `{name}.done`, `{stem}.ok`, `_SUCCESS`. Default: none is needed.',
    ),
  onProblem: mapping({
    missing: skipOrFail.optional().describe('No file came for the window. Default: `fail`.'),
    forbidden: skipOrFail.optional().describe('A file may not be read. Default: `fail`.'),
    misnamed: skipOrFail
      .optional()
      .describe('A file has a name that nothing in the lake can have, such as one with a line break. Default: `skip`.'),
    empty: z.enum(['land', 'skip', 'fail']).optional().describe('A file has no bytes. Default: `land`.'),
    unstable: skipOrFail
      .optional()
      .describe('A file is being written, lacks its marker, or is locked. Default: `fail`, which is tried again.'),
  })
    .optional()
    .describe('What becomes of files that are not as they should be; whatever is skipped is reported.'),
  late: z
    .enum(['report', 'include'])
    .optional()
    .describe(
      'Files that come after their window was ingested: reported, or landed with the current window. Default: `report`.',
    ),
  lateFor: duration.optional().describe('How far before the window late files are looked for. Default: `7d`.'),
  afterLanding: z
    .union([
      z.enum(['leave', 'delete']),
      mapping({ archive: text.describe("Folder; a relative one is below the source's path.") }),
    ])
    .optional()
    .describe('What becomes of files that have landed. Default: `leave`.'),
  read: mapping({
    encoding: FileReading.shape.encoding.describe('Default: found out from the file.'),
    delimiter: oneCharacter.optional().describe('Default: found out from the file.'),
    quote: oneCharacter.optional().describe('Default: found out from the file.'),
    header: z.boolean().optional().describe('Whether the first record names the columns. Default: `true`.'),
    nulls,
  })
    .optional()
    .describe('How the files are read.'),
  ...commonDataset,
})

/** A source of type `files` as it stands in `pipeline.yaml`. */
export const filesSource = mapping({
  type: z.literal('files'),
  path: text.describe("Folder on the agent's machine."),
  site,
  datasets: z.record(tableName, filesDataset),
})

export type FilesSourceText = z.infer<typeof filesSource>
export type FilesDatasetText = z.infer<typeof filesDataset>
