import { PipelineError } from '@cinelake/core'
import type { Lake } from '@cinelake/lake'
import { loadPipeline, type CheckedPipeline } from '@cinelake/pipeline'
import type { LakeTable } from './lake-tables.ts'

/** The condition of a rule in a few words; undefined for a rule that the current text does not have. */
export type RuleMeaning = (rule: string) => string | undefined

/** The conditions of the rules of a dataset or model, by the newest text of its pipeline in the lake. */
export async function ruleMeanings(lake: Lake, { pipeline, table }: LakeTable): Promise<RuleMeaning> {
  const text = await newestText(lake, pipeline)
  const dataset = text?.datasets.find(({ name }) => name === table)
  const columns = new Map((dataset?.contract.columns ?? []).map((column) => [column.name, column]))
  const model = text?.models.find(({ name }) => name === table)
  const rowRules = dataset?.contract.rowRules ?? model?.rowRules ?? []
  const expressions = new Map(rowRules.map(({ name, expression }) => [name, inShort(expression)]))
  return (rule) => {
    const [, check, name = ''] = /^(type|required|maxLength|unique)\((.*)\)$/.exec(rule) ?? []
    const column = columns.get(name)
    if (rule === 'row_shape') return 'as many fields as the header, quotes that close'
    if (check === 'unique') return 'each key once'
    if (check === 'required') return 'a value'
    if (check === 'maxLength' && column?.maxLength !== undefined) return `at most ${column.maxLength} characters`
    if (check === 'type') return typeOf(column) ?? model?.columns.find((one) => one.name === name)?.type
    return expressions.get(rule)
  }
}

/** `0…10` for a condition that is a range of one column; other conditions as they are written. */
function inShort(expression: string): string {
  const text = expression.replaceAll(/\s+/g, ' ').trim()
  const { low, high } = RANGES.map((range) => range.exec(text)).find((found) => found !== null)?.groups ?? {}
  return low === undefined || high === undefined ? text : `${low}…${high}`
}

const RANGES = [
  /^(?:"[^"]+"|\w+) BETWEEN (?<low>-?[\d.]+) AND (?<high>-?[\d.]+)$/i,
  /^(?<column>"[^"]+"|\w+) >= (?<low>-?[\d.]+) AND \k<column> <= (?<high>-?[\d.]+)$/i,
]

type Column = CheckedPipeline['datasets'][number]['contract']['columns'][number]

/** `DATE as %Y-%m-%d, %d/%m/%Y` */
function typeOf(column: Column | undefined): string | undefined {
  const formats = column?.reading.formats ?? []
  return formats.length === 0 ? column?.type : `${column?.type ?? ''} as ${formats.join(', ')}`
}

const FROZEN = /^pipelines\/[^/]+\/([0-9a-f]{64})\.json$/

/** Without it the rejects are shown all the same. */
async function newestText(lake: Lake, name: string): Promise<CheckedPipeline | undefined> {
  let newest: { readonly path: string; readonly digest: string; readonly modifiedAt: Date } | undefined
  for await (const { path, modifiedAt } of lake.list(`pipelines/${name}`)) {
    const digest = FROZEN.exec(path)?.[1]
    if (digest === undefined || (newest !== undefined && newest.modifiedAt >= modifiedAt)) continue
    newest = { path, digest, modifiedAt }
  }
  if (newest === undefined) return undefined
  try {
    return await loadPipeline(lake, { name, digest: newest.digest })
  } catch (error) {
    if (error instanceof PipelineError) return undefined
    throw error
  }
}
