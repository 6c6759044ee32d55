import { withBegin } from '../text/quality.ts'
import { type Problems, staysBelow, type YamlPath, type YamlText } from '@cinelake/config-text'
import { type FileReading, parentInText } from '@cinelake/source-kind'
import type { CheckedDataset } from '../checked-pipeline.ts'
import { type CheckedSource, type DatasetText, sourceKindOf } from '../source-kinds.ts'
import { closestName, suggest } from '@cinelake/core'
import type { PipelineFolder } from '../folder.ts'
import type { PipelineText } from '../text/pipeline-schema.ts'
import { readColumns } from '../text/read-columns.ts'
import { readContract, type Contract } from '../text/read-contract.ts'
import { WINDOW_COLUMN, type Tables } from './tables.ts'
import { checkRules } from './check-rules.ts'

type Place = { readonly text: YamlText; readonly path: YamlPath; readonly problems: Problems }

/** Reads the sources with their contracts, and registers their datasets as tables. */
export async function checkDatasets(
  pipeline: PipelineText,
  {
    text,
    folder,
    tables,
    problems,
  }: { readonly text: YamlText; readonly folder: PipelineFolder; readonly tables: Tables; readonly problems: Problems },
): Promise<{ readonly sources: CheckedSource[]; readonly datasets: CheckedDataset[] }> {
  const sources: CheckedSource[] = []
  const datasets: CheckedDataset[] = []
  for (const [name, source] of Object.entries(pipeline.sources)) {
    const path = ['sources', name]
    sources.push(sourceKindOf(source).read(name, source, { text, path, problems }))
    for (const [dataset, details] of Object.entries(source.datasets ?? {})) {
      const place = { text, path: [...path, 'datasets', dataset], problems }
      if (!tables.claim(dataset, text.atKey(place.path))) continue
      const contract = await contractOf(dataset, details, folder, place)
      if (contract === undefined) continue
      const checked = checkDataset({ source: name, dataset, details, contract }, place)
      datasets.push(checked)
      tables.placed(dataset, contract.places.list, contract.places.columns)
      const known = await tables.add(tableOf(checked), contract.brokenColumns.size === 0)
      const columns = contract.columns.map((column) => column.name)
      if (tables.typer === undefined) continue
      await checkRules(contract.rules, {
        table: dataset,
        columns,
        broken: contract.brokenColumns,
        typer: tables.typer,
        isTyped: known,
        problems,
      })
    }
  }
  // A dataset whose rows land is found before those with items of its lists.
  const exploded = datasets.map((dataset) => withParent(dataset, datasets, pipeline, { text, problems }))
  return { sources, datasets: exploded.toSorted((one, other) => rankOf(one) - rankOf(other)) }
}

const rankOf = ({ explodedFrom }: CheckedDataset) => (explodedFrom === undefined ? 0 : 1)

/** A dataset with items of another's list is made of what that one lands. Those of REST sources land themselves. */
function withParent(
  dataset: CheckedDataset,
  datasets: readonly CheckedDataset[],
  pipeline: PipelineText,
  { text, problems }: Pick<Place, 'text' | 'problems'>,
): CheckedDataset {
  const source = pipeline.sources[dataset.source]
  if (source === undefined || (source.type !== 'files' && source.type !== 'database')) return dataset
  const named = parentInText(dataset.name, source.datasets ?? {})
  const parent = datasets.find(({ name, source: of }) => name === named?.dataset && of === dataset.source)
  if (named === undefined || parent === undefined) return dataset
  const at = text.at(['sources', dataset.source, 'datasets', named.dataset, 'explode', named.field])
  if (parentInText(parent.name, source.datasets ?? {}) !== undefined)
    problems.error(
      at,
      `\`${parent.name}\` has items of a list itself`,
      'name the inner list in a model, or as a column of the outer dataset',
    )
  const key = parent.contract.columns.filter(({ name }) => parent.contract.primaryKey.includes(name))
  if (key.length === 0)
    problems.error(
      at,
      `rows of \`${dataset.name}\` could not say whose they are`,
      `add \`primaryKey: true\` to the columns of \`${parent.name}\` that tell its rows apart`,
    )
  return {
    ...dataset,
    sourceDataset: parent.name,
    reading: parent.reading,
    explodedFrom: { dataset: parent.name, field: named.field, key },
  }
}

async function contractOf(
  dataset: string,
  details: DatasetText,
  folder: PipelineFolder,
  { text, path, problems }: Place,
): Promise<Contract | undefined> {
  const file = details.contract ?? `contracts/${dataset}.yaml`
  const at = details.contract === undefined ? text.atKey(path) : text.at([...path, 'contract'])
  if (!staysBelow(file)) {
    problems.error(
      at,
      `the contract '${file}' is outside of the pipeline's folder`,
      'write it relative to the folder, such as `contracts/titles.yaml`',
    )
    return undefined
  }
  const content = await folder.read(file)
  if (content !== undefined) return readContract(file, content, dataset, problems)
  const inFolder = file.includes('/') ? file.slice(0, file.lastIndexOf('/')) : '.'
  const present = (await folder.list(inFolder)).map((name) => (inFolder === '.' ? name : `${inFolder}/${name}`))
  const closest = closestName(file, present)
  problems.error(
    at,
    `the contract '${file}' of dataset \`${dataset}\` is missing`,
    `have \`cinelake try ${path[1]}/${dataset} DIR --write\` draft it from the data, or name another file with \`contract\`` +
      (closest === undefined ? '' : `; did you mean \`${closest}\`?`),
  )
  return undefined
}

type DatasetParts = {
  readonly source: string
  readonly dataset: string
  readonly details: DatasetText
  readonly contract: Contract
}

function checkDataset({ source, dataset, details, contract }: DatasetParts, place: Place): CheckedDataset {
  const columns = readColumns(contract, details.columns ?? {}, { ...place, path: [...place.path, 'columns'] })
  const { text, path, problems } = place
  const mode = details.mode ?? 'snapshot'
  const hasKey = contract.primaryKey.length > 0 || contract.brokenColumns.size > 0
  const duplicates = details.duplicates ?? (hasKey ? 'newest' : 'keep')
  const own = columns.find(({ name }) => name.toLowerCase() === WINDOW_COLUMN.name)
  if (own !== undefined) {
    problems.error(
      text.at(path),
      `the contract of \`${dataset}\` has a column \`${own.name}\`, which every refined table has for the window of its rows`,
      `give it another name in ${contract.file}, and \`columns: { …: ${own.name} }\` here`,
    )
  }
  if (duplicates === 'keep' && contract.primaryKey.length > 0) {
    problems.error(
      text.at([...path, 'duplicates']),
      `\`duplicates: keep\` contradicts the primary key (${contract.primaryKey.join(', ')}) of \`${dataset}\`, of which each value is one row`,
      `say \`newest\` or \`fill\`, or take \`primaryKey\` out of ${contract.file}`,
    )
  }
  if (!hasKey) {
    const remedy = `add \`primaryKey: true\` to the columns in ${contract.file} that tell its rows apart`
    if (mode === 'merge')
      problems.error(text.at([...path, 'mode']), `\`mode: merge\` needs a primary key, \`${dataset}\` has none`, remedy)
    if (duplicates === 'fill')
      problems.error(
        text.at([...path, 'duplicates']),
        `\`duplicates: fill\` needs a primary key, \`${dataset}\` has none`,
        remedy,
      )
  }
  if ('incremental' in details && details.incremental !== undefined && mode === 'snapshot') {
    problems.error(
      text.at([...path, 'incremental']),
      `\`${dataset}\` is incremental and replaces its table with each window: only the last window would be left`,
      'add `mode: merge` (rows that change) or `mode: append` (rows that do not)',
    )
  }
  for (const key of ['newestBy', 'partitionBy'] as const) {
    for (const [index, name] of (details[key] ?? []).entries()) {
      const column = columns.find((candidate) => candidate.name === name)
      if (column === undefined && !contract.brokenColumns.has(name)) {
        problems.error(
          text.at([...path, key, index]),
          `\`${key}\` names the unknown column \`${name}\``,
          suggest(
            name,
            columns.map((known) => known.name),
          ),
        )
      } else if (column?.type.endsWith('[]') === true) {
        problems.error(
          text.at([...path, key, index]),
          `\`${key}\` names the list \`${name}\``,
          'name a column with one value',
        )
      }
    }
  }
  return {
    name: dataset,
    source,
    sourceDataset: dataset,
    contract: {
      id: contract.id,
      version: contract.version,
      ...(contract.file === `contracts/${dataset}.yaml` ? {} : { file: contract.file }),
      ...(contract.description === undefined ? {} : { description: contract.description }),
      columns,
      primaryKey: [...contract.primaryKey],
      ...(contract.dropped.length === 0 ? {} : { dropped: [...contract.dropped] }),
      rowRules: contract.rules.rows.map(withBegin),
      tableRules: contract.rules.tables.map(withBegin),
    },
    reading: fileReading(details),
    mode,
    newestBy: details.newestBy ?? [],
    duplicates,
    ...(details.maxRejected === undefined ? {} : { maxRejected: details.maxRejected }),
    ...(details.missingColumns === undefined ? {} : { missingColumns: details.missingColumns }),
    partitionBy: details.partitionBy ?? [],
  }
}

function fileReading(details: DatasetText): FileReading {
  const read = 'read' in details ? (details.read ?? {}) : {}
  const { nulls = [], ...rest } = read
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
  return { header: true, ...given, nulls }
}

function tableOf({ name, contract }: CheckedDataset) {
  const personal = contract.columns.flatMap((column) =>
    column.personal === undefined
      ? []
      : [
          [
            column.name.toLowerCase(),
            { allowedIn: column.personal.allowedIn, from: [`${name}.${column.name}`] },
          ] as const,
        ],
  )
  const columns = contract.columns.map((column) => ({ name: column.name, type: column.type }))
  return { name, columns: [...columns, WINDOW_COLUMN], personal: new Map(personal), descriptions: {} }
}
