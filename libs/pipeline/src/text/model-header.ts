import { z } from 'zod'
import { Severity } from '../checked/dataset.ts'
import { Materialization } from '../checked/model.ts'
import { mapping } from '@cinelake/config-text'

const text = z.string().min(1, 'expected a text that is not empty')
const pair = z.tuple([z.number(), z.number()])

const rule = mapping({
  name: text.describe('Under which what breaks it is counted.'),
  severity: Severity.optional().describe('Default: `error`; `fail` for a rule with a query.'),
  description: z.string().optional(),
  row: text.optional().describe('A SQL condition that good rows meet.'),
  query: text.optional().describe('A query with one number; `{table}` stands for the result.'),
  mustBe: z.number().optional(),
  mustNotBe: z.number().optional(),
  mustBeGreaterThan: z.number().optional(),
  mustBeGreaterOrEqualTo: z.number().optional(),
  mustBeLessThan: z.number().optional(),
  mustBeLessOrEqualTo: z.number().optional(),
  mustBeBetween: pair.optional(),
  mustNotBeBetween: pair.optional(),
})

/** The settings in the comment at the beginning of a model, which SQL cannot express. */
export const ModelHeader = mapping({
  description: z.string().optional(),
  materialization: Materialization.optional().describe('What becomes of the result. Default: `table`.'),
  key: z.array(text).optional().describe('Columns that tell the rows apart.'),
  partitionBy: z.array(text).optional(),
  rowsIn: text.optional().describe('A query that says how many rows the SELECT accounts for.'),
  columns: z.record(text, z.string()).optional().describe('Descriptions of columns.'),
  renamedFrom: z
    .record(text, z.union([text, z.array(text).min(1, 'expected at least one name')]))
    .optional()
    .describe('Names that a column had before, by its name: `{ status: state }`.'),
  dropped: z.array(text).optional().describe('Columns that the table had and is to lose with their values.'),
  rules: z.array(rule).optional(),
  anonymous: z.array(text).optional().describe('Columns that are made of personal data but do not identify a person.'),
})
export type ModelHeader = z.infer<typeof ModelHeader>
export type ModelRuleText = z.infer<typeof rule>
