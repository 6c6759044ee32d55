import type { CheckedDataset, CheckedModel, ServedTable } from '../checked-pipeline.ts'
import { suggest } from '@cinelake/core'
import type { Problems, YamlPath, YamlText } from '@cinelake/config-text'
import type { PipelineText } from '../text/pipeline-schema.ts'
import { asTable, type Tables } from './tables.ts'

/** What is known of a pipeline when the tables that leave it are checked. */
export type ServeContext = {
  readonly text: YamlText
  readonly datasets: readonly CheckedDataset[]
  readonly models: readonly CheckedModel[]
  readonly tables: Tables
  readonly problems: Problems
}

/** Checks the served tables: that they exist, have names of their own, and contain no personal data that may not be served. */
export function checkServe(pipeline: PipelineText, context: ServeContext): ServedTable[] {
  const { text, tables, problems } = context
  const served = new Map<string, string>()
  const names = new Map<string, string>()
  return (pipeline.serve ?? []).flatMap((entry, index): ServedTable[] => {
    const { table, as = table, exclude = [] } = typeof entry === 'string' ? { table: entry } : entry
    const path: YamlPath = ['serve', index]
    const tablePath = typeof entry === 'string' ? path : [...path, 'table']
    const known = tables.nameOf(table)
    if (known === undefined) {
      problems.error(
        text.at(tablePath),
        `unknown table \`${table}\``,
        suggest(table, tables.names, 'declare a dataset or write a model first'),
      )
      return []
    }
    if (served.has(known)) {
      problems.error(
        text.at(tablePath),
        `\`${known}\` is served twice`,
        'remove one of the two; a model that selects from it can be served under another name',
      )
      return []
    }
    served.set(known, as)
    const other = names.get(as.toLowerCase())
    if (other !== undefined)
      problems.error(
        text.at(typeof entry === 'string' ? path : [...path, 'as']),
        `\`${as}\` is the name of two served tables, \`${other}\` and \`${known}\``,
        'give one of them another name with `as`',
      )
    names.set(as.toLowerCase(), known)
    return serveTable({ table: known, as, exclude, path }, context)
  })
}

type Entry = {
  readonly table: string
  readonly as: string
  readonly exclude: readonly string[]
  readonly path: YamlPath
}

function serveTable({ table, as, exclude, path }: Entry, context: ServeContext): ServedTable[] {
  const { text, tables, problems } = context
  const shape = shapeOf(table, context)
  const refined = tables.usable(table)
  if (shape === undefined || refined === undefined) return []
  const names = shape.columns.map(({ name }) => name)
  for (const [index, name] of exclude.entries()) {
    if (!names.includes(name))
      problems.error(
        text.at([...path, 'exclude', index]),
        `\`exclude\` names the unknown column \`${name}\` of \`${table}\``,
        suggest(name, names),
      )
  }
  const columns = shape.columns.filter(({ name }) => !exclude.includes(name))
  for (const { name } of columns) {
    const personal = refined.personal.get(name.toLowerCase())
    if (personal === undefined || personal.allowedIn.includes('mart')) continue
    const from = personal.from.join(', ')
    problems.error(
      text.at(path),
      `\`${table}\` would carry personal data to the mart: \`${name}\`, from ${from}`,
      `add \`exclude: [${name}]\`, or let the contract allow it: customProperties \`cinelake.allowedIn: [refined, mart]\` at ${from}`,
    )
  }
  for (const [index, name] of exclude.entries()) {
    if (shape.primaryKey.includes(name))
      problems.error(
        text.at([...path, 'exclude', index]),
        `\`exclude\` names \`${name}\`, which is part of the key of \`${table}\``,
        'keep it: by the key it is known which rows have changed',
      )
  }
  return [
    {
      table,
      as,
      columns,
      primaryKey: [...shape.primaryKey],
      ...(shape.description === undefined ? {} : { description: shape.description }),
    },
  ]
}

type Shape = Pick<ServedTable, 'columns' | 'description'> & { readonly primaryKey: readonly string[] }

/** The columns with which a table leaves the lake. Columns that begin with `_` are the platform's own and stay in the lake. */
export function shapeOf(table: string, { datasets, models, tables }: ServeContext): Shape | undefined {
  const dataset = datasets.find(({ name }) => name === table)
  if (dataset !== undefined) {
    const { columns, primaryKey, description } = dataset.contract
    const served = columns.map(({ name, type, maxLength, required, renamedFrom, description: about }) => ({
      name,
      type,
      ...(maxLength === undefined ? {} : { maxLength }),
      required,
      ...(renamedFrom === undefined ? {} : { renamedFrom }),
      ...(about === undefined ? {} : { description: about }),
    }))
    return { columns: served, primaryKey, ...(description === undefined ? {} : { description }) }
  }
  const model = models.find(({ name }) => name === table)
  if (model === undefined) return undefined
  const descriptions = tables.usable(table)?.descriptions ?? {}
  const history = model.materialization === 'history'
  const primaryKey = history ? [...model.key, 'valid_from'] : model.key
  const columns = asTable(
    model.columns.map(({ name, type }) => ({ name, type })),
    model.materialization,
  )
    .filter(({ name }) => !name.startsWith('_'))
    .map(({ name, type }) => {
      const description = descriptions[name]
      return {
        name,
        type,
        required: primaryKey.includes(name) || (history && name === 'is_current'),
        ...(model.renamedFrom?.[name] === undefined ? {} : { renamedFrom: model.renamedFrom[name] }),
        ...(description === undefined ? {} : { description }),
      }
    })
  return { columns, primaryKey, ...(model.description === undefined ? {} : { description: model.description }) }
}
