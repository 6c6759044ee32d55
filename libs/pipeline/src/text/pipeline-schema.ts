import { duration, mapping, MARKS, MAX_NAME_LENGTH, plainName, tableName, text } from '@cinelake/config-text'
import { WINDOW_LENGTHS } from '@cinelake/core'
import { z } from 'zod'
import { SourceText } from '../source-kinds.ts'
import { DeliveryText } from './delivery-schema.ts'

/** The platform's own schemas, and those of PostgreSQL and SQL Server. */
const RESERVED = new Set(['ops', 'loader', 'public', 'information_schema', 'sys', 'dbo', 'guest'])

/** Whether a schema is reserved for the platform or the database. Exported for tests. */
export function isReservedSchema(schema: string): boolean {
  return RESERVED.has(schema) || schema.startsWith('pg_') || schema.startsWith('db_')
}

/** Names that PostgreSQL and SQL Server accept without quoting. Exported for tests. */
export const SCHEMA_NAME = /^[a-z][a-z0-9_]*$/

/** The default schema of a pipeline: its name in lower case, in a form that both databases accept. */
export function defaultSchema(pipeline: string): string {
  const name = pipeline.toLowerCase().replaceAll('-', '_')
  return isReservedSchema(name) ? `mart_${name}`.slice(0, MAX_NAME_LENGTH) : name
}

/** A schema in the mart. */
const martSchema = z
  .string()
  .regex(SCHEMA_NAME, 'expected small letters, digits and `_`, beginning with a letter')
  .max(MAX_NAME_LENGTH, `expected at most ${MAX_NAME_LENGTH} characters`)
  .refine(
    (schema) => !isReservedSchema(schema),
    'expected a name that neither the platform nor a database has for itself (ops, loader, public, dbo, sys, guest, information_schema, pg_…, db_…)',
  )

/** A table of another pipeline: `ott.dim_title`. */
const usedTable = z
  .string()
  .regex(
    /^[A-Za-z][A-Za-z0-9_-]*\.[A-Za-z][A-Za-z0-9_]*$/,
    'expected a pipeline and its table with a point between them, such as `ott.dim_title`',
  )

const servedTable = mapping({
  table: text.describe('A dataset or a model.'),
  as: tableName.optional().describe('Its name in the mart. Default: the same.'),
  exclude: z.array(text).optional().describe('Columns that analysts do not get.'),
})

/** The schema of `pipeline.yaml` as written. */
export const PipelineText = mapping({
  pipeline: plainName.describe("The pipeline's name."),
  description: z.string().optional(),
  schema: martSchema
    .optional()
    .describe("The schema of its tables in the mart. Default: the pipeline's name in small letters."),
  schedule: mapping({
    every: z.enum(WINDOW_LENGTHS).describe('How long a window is.'),
    timeZone: text.optional().describe('IANA name. Default: `UTC`.'),
    start: text.describe('The first window: `2026-03-01`; `2026-03` for months, `2026-03-01T05` for hours.'),
    delay: duration.optional().describe('How long after the end of a window its run starts. Default: at once.'),
  }),
  retry: mapping({
    attempts: z
      .int()
      .min(1, 'expected 1 or more')
      .optional()
      .describe('Tries of one task, the first included. Default: 4.'),
    backoff: duration.optional().describe('Wait before the second try, doubled for each further one. Default: `1s`.'),
    maxBackoff: duration.optional().describe('Default: `1m`.'),
  }).optional(),
  sources: z.record(plainName, SourceText).describe('The systems that data comes from.'),
  uses: z
    .array(
      z.union([
        usedTable,
        mapping({
          table: usedTable.describe('`pipeline.table`.'),
          from: text
            .optional()
            .describe("The other pipeline's folder, relative to this one. Default: `../<pipeline>`."),
        }),
      ]),
    )
    .optional()
    .describe('Tables of other pipelines that models read.'),
  models: mapping({ path: text.optional().describe('Folder of the models. Default: `models`.') }).optional(),
  serve: z
    .array(z.union([text, servedTable]))
    .optional()
    .describe('The tables that analysts get.'),
  deliver: z
    .record(plainName, DeliveryText)
    .optional()
    .describe('Files of tables that are handed on, by the name of who gets them.'),
})
export type PipelineText = z.infer<typeof PipelineText>

/** The JSON Schema of `pipeline.yaml`, for editors. */
export function pipelineJsonSchema(): object {
  return {
    title: 'Cinelake pipeline.yaml',
    ...z.toJSONSchema(PipelineText, {
      target: 'draft-7',
      io: 'input',
      override: ({ jsonSchema }) => {
        // The standard's own keyword for values that are written and never shown.
        if (jsonSchema['secret'] === 'always') jsonSchema.writeOnly = true
        for (const mark of MARKS) delete jsonSchema[mark]
      },
    }),
  }
}
