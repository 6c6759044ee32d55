import { suggest } from '@cinelake/core'
import type { PipelineFolder } from '../folder.ts'
import { compare, formatProblem, type Place, type Problem, type Problems, type YamlText } from '@cinelake/config-text'
import type { PipelineText } from '../text/pipeline-schema.ts'
import type { Personal, RefinedTable } from './personal.ts'
import type { Tables } from './tables.ts'

/** Another pipeline, as far as its text describes it. */
export type OtherPipeline = {
  readonly name: string
  readonly tables: Tables
  readonly problems: readonly Problem[]
}

type UsesContext = {
  readonly text: YamlText
  readonly folder: PipelineFolder
  readonly tables: Tables
  readonly problems: Problems
  /** Reads another pipeline's folder. */
  readonly readOther: (folder: PipelineFolder) => Promise<OtherPipeline>
  /** The pipelines whose texts are being read, outermost first. */
  readonly readers: readonly string[]
}

type Use = { readonly pipeline: string; readonly table: string; readonly from: string; readonly at: Place }

/**
 * Registers the tables of other pipelines that this one uses: with the columns, types and personal data that the other
 * pipeline's own text declares, so that it need not be run or reached.
 * @returns their names as \`pipeline.table\`, in order
 */
export async function checkUses(parts: PipelineText, context: UsesContext): Promise<string[]> {
  const { folder, tables, problems, readOther, readers } = context
  const all = usesIn(parts, context)
  // Placeholders until they are found: a problem reported here is not reported again where a model reads the table.
  for (const { pipeline, table } of all) await tables.use(`${pipeline}.${table}`, undefined)
  const byFolder = Map.groupBy(all, ({ pipeline, from }) => `${pipeline} ${from}`)
  const found: { readonly name: string; readonly table: RefinedTable | undefined }[] = []
  for (const uses of byFolder.values()) {
    const [first] = uses
    if (first === undefined) continue
    const { pipeline, from, at } = first
    if (readers.includes(pipeline)) {
      const circle = [...readers.slice(readers.indexOf(pipeline)), pipeline].map((name) => `\`${name}\``).join(' → ')
      problems.error(at, `pipelines use each other: ${circle}`, 'let one of them make what both need')
      continue
    }
    const beside = folder.other?.(from)
    if (beside === undefined || (await beside.read('pipeline.yaml')) === undefined) {
      problems.error(
        at,
        `the pipeline \`${pipeline}\` is not in the folder '${from}'`,
        `put its folder there, or say where it is: \`{ table: ${pipeline}.${first.table}, from: FOLDER }\``,
      )
      continue
    }
    const other = await readOther(beside)
    await tables.typer?.dropTables()
    const wrong = other.problems.find(({ severity }) => severity === 'error')
    if (other.name !== pipeline) {
      problems.error(
        at,
        `the folder '${from}' is of the pipeline \`${other.name}\``,
        `name that of \`${pipeline}\` with \`from\``,
      )
    } else if (wrong !== undefined) {
      problems.error(
        at,
        `the pipeline \`${pipeline}\` has errors, the first of them at ${from}/${formatProblem(wrong)}`,
        `correct it, and check it with \`cinelake validate\``,
      )
    } else for (const use of uses) found.push(...tableOf(use, other, context))
  }
  // Only at this point: the tables that other pipelines created are gone from the typer.
  for (const { name, table } of found) await tables.use(name, table)
  return found.map(({ name }) => name).sort(compare)
}

function usesIn(parts: PipelineText, { text, problems }: UsesContext): Use[] {
  const seen = new Set<string>()
  return (parts.uses ?? []).flatMap((entry, index): Use[] => {
    const { table: name, from } = typeof entry === 'string' ? { table: entry, from: undefined } : entry
    const [pipeline = '', table = ''] = name.split('.')
    const at = text.at(['uses', index])
    if (pipeline === parts.pipeline) {
      problems.error(at, `\`${name}\` is a table of this pipeline`, `remove it, and write \`${table}\` in models`)
      return []
    }
    if (seen.has(name.toLowerCase())) {
      problems.error(at, `\`${name}\` is used twice`, 'remove one of the two')
      return []
    }
    seen.add(name.toLowerCase())
    return [{ pipeline, table, from: from ?? `../${pipeline}`, at }]
  })
}

function tableOf({ pipeline, table, at }: Use, { tables }: OtherPipeline, { problems }: UsesContext) {
  const known = tables.nameOf(table)
  if (known === undefined) {
    problems.error(at, `\`${pipeline}\` has no table \`${table}\``, suggest(table, tables.names))
    return []
  }
  const name = `${pipeline}.${known}`
  const refined = tables.usable(known)
  if (refined === undefined) return [{ name, table: undefined }]
  const personal = new Map(
    [...refined.personal].map(([column, { allowedIn, from }]): [string, Personal] => [
      column,
      { allowedIn, from: from.map((origin) => `${pipeline}.${origin}`) },
    ]),
  )
  return [{ name, table: { ...refined, name, personal } }]
}
