import { checkShape, mapping, type Place, type Problems, readYaml, type YamlText } from '@cinelake/config-text'
import { z } from 'zod'
import { unknownPlaceholders } from '../bind-window.ts'
import { Materialization, Severity } from '../checked-pipeline.ts'
import { type ParsedQuery, positionAt, scanSql } from '../sql/parse.ts'
import { expectation, type PlacedRules, uniqueRuleNames } from './quality.ts'

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

/** The settings in the comment at the beginning of a model, which SQL cannot express. Exported for tests of the reference. */
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
type ModelRuleText = z.infer<typeof rule>

/** The parsed file of a model. */
export type Model = {
  readonly name: string
  readonly file: string
  readonly header: ModelHeader
  /** Places in the header; if there is none, the beginning of the file. */
  readonly headerText: YamlText
  /** The SELECT alone: without header, semicolon and any text after it. */
  readonly sql: string
  /** The parsed SELECT; undefined if it was not parsed, or is invalid, which has been reported. */
  readonly parsed: ParsedQuery | undefined
  readonly rules: PlacedRules
  /** The place of an offset in `sql`. */
  at(offset: number): Place
}

/** Reads `models/NAME.sql`: a header in YAML within the first comment, and one SELECT, which is not parsed here. */
export function readModel(name: string, file: string, content: string, problems: Problems): Model {
  const header = /^\s*\/\*([\s\S]*?)\*\//.exec(content)
  const headerBegin = header === null ? 0 : header[0].indexOf('/*') + 2
  const headerText = readYaml(file, header?.[1] ?? '', problems, {
    ...positionAt(content, headerBegin),
    what: 'the header of the model',
  })
  const begin = header === null ? 0 : header[0].length
  const sql = withoutEnd(content.slice(begin)).trimStart()
  const offset = begin + content.slice(begin).length - content.slice(begin).trimStart().length
  const at = (inside: number): Place => ({ file, ...positionAt(content, offset + inside) })
  const isEmpty = header === null || header[1]?.trim() === ''
  const fields = isEmpty ? {} : (checkShape(ModelHeader, headerText, problems) ?? {})
  const rules: PlacedRules = { rows: [], tables: [] }
  for (const [index, rule] of (fields.rules ?? []).entries()) readRule(rule, index, headerText, problems, rules)
  uniqueRuleNames(rules, problems)
  checkText(sql, at, problems)
  return { name, file, header: fields, headerText, sql, parsed: undefined, rules, at }
}

function checkText(sql: string, at: (offset: number) => Place, problems: Problems): void {
  if (sql === '') problems.error(at(0), 'the model has no SELECT', 'write one SELECT below the header')
  for (const { text, offset } of unknownPlaceholders(sql)) {
    problems.error(at(offset), `unknown placeholder \`${text}\``, 'expected `:window_start` or `:window_end`')
  }
}

function readRule(rule: ModelRuleText, index: number, text: YamlText, problems: Problems, rules: PlacedRules): void {
  const path = ['rules', index]
  const described = rule.description === undefined ? {} : { description: rule.description }
  if ((rule.row === undefined) === (rule.query === undefined)) {
    const what = rule.row === undefined ? 'neither a condition nor a query' : 'both a condition and a query'
    problems.error(
      text.at(path),
      `the rule \`${rule.name}\` has ${what}`,
      "write `row: 'score between 0 and 10'`, or `query` with `mustBe`",
    )
    return
  }
  if (rule.row !== undefined) {
    rules.rows.push({
      rule: { name: rule.name, severity: rule.severity ?? 'error', expression: rule.row, ...described },
      at: text.at(path),
      sqlAt: (line, column) => text.within([...path, 'row'], line, column),
    })
    return
  }
  const expect = expectation(rule, { text, path, problems })
  if (expect === undefined) return
  rules.tables.push({
    // A rule about the whole table has no row to reject.
    rule: {
      name: rule.name,
      severity: rule.severity === 'warn' ? 'warn' : 'fail',
      query: rule.query ?? '',
      expect,
      ...described,
    },
    at: text.at(path),
    sqlAt: (line, column) => text.within([...path, 'query'], line, column),
  })
}

/** Without the semicolon and the comments at the end, so that the SELECT can be put in parentheses. */
function withoutEnd(sql: string): string {
  let end = 0
  for (const { kind, text, offset } of scanSql(sql)) {
    const isEnd = kind === 'comment' || text.trim() === '' || text === ';'
    if (!isEnd) end = offset + text.length
  }
  return sql.slice(0, end)
}
