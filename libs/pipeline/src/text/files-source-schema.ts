import { z } from 'zod'
import { FileReading } from '../checked/dataset.ts'
import { mapping } from './check-shape.ts'
import { commonDataset, nulls, site } from './dataset-schema.ts'
import { oneCharacter, tableName, text } from './schema-words.ts'

const filesDataset = mapping({
  files: text.describe(
    "Glob below the source's path; `{yyyy}`, `{MM}`, `{dd}`, `{HH}` stand for the start of the window.",
  ),
  whenMissing: z
    .enum(['fail', 'skip'])
    .optional()
    .describe('What becomes of a window for which no file came. Default: `fail`.'),
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
