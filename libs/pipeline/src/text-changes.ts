import type { CheckedDataset } from './checked/dataset.ts'
import { fileOfModel } from './place-in-model.ts'
import type { CheckedModel } from './checked/model.ts'
import type { CheckedPipeline } from './checked/pipeline.ts'
import type { PlannedTask } from '@cinelake/contracts'

/**
 * The places of a pipeline's folder in which a task's text differs between two versions of it:
 * `models/sales_by_city.sql`, `contracts/orders.yaml`, `pipeline.yaml (sources.shop.datasets.orders)`. Only the task's
 * own text: texts of the tasks that it depends on are theirs. Descriptions do not affect data.
 * @returns none if the task does the same in both versions
 */
export function changedPlaces(before: CheckedPipeline, after: CheckedPipeline, { work }: PlannedTask): string[] {
  const earlier = textOf(before, work, after)
  const differs = (part: TextPart) => {
    const same = earlier.find(({ place }) => place === part.place)
    return same === undefined || canonical(same.content) !== canonical(part.content)
  }
  return textOf(after, work, before)
    .filter(differs)
    .map(({ place }) => place)
}

/**
 * Whether a task's text only follows from other text: the columns of a served table from its contract or model.
 * If a task that it depends on has changed, that is the change to report.
 */
export function followsFromOthers({ work }: PlannedTask): boolean {
  return work.kind === 'load'
}

type TextPart = { readonly place: string; readonly content: unknown }

/** @param other the version to compare with */
function textOf(pipeline: CheckedPipeline, work: PlannedTask['work'], other: CheckedPipeline): TextPart[] {
  switch (work.kind) {
    case 'discover':
      return sourceText(pipeline, work.source)
    case 'ingest':
      return [...sourceText(pipeline, work.source), ...landingText(pipeline, work.source, work.dataset)]
    case 'refine':
      return pipeline.datasets
        .filter(({ name }) => name === work.dataset)
        .flatMap((dataset) => datasetText(dataset, other))
    case 'build':
      return pipeline.models.filter(({ name }) => name === work.model).map(modelText)
    default:
      return pipeline.serve
        .filter(({ table }) => table === work.table)
        .map((served) => ({ place: `pipeline.yaml (serve.${served.table})`, content: served }))
  }
}

function sourceText({ sources }: CheckedPipeline, name: string): TextPart[] {
  return sources
    .filter((source) => source.name === name)
    .map(({ datasets: _datasets, ...source }) => ({ place: `pipeline.yaml (sources.${name})`, content: source }))
}

/** How a dataset is landed. An undeclared table has no text. */
function landingText({ sources }: CheckedPipeline, name: string, dataset: string): TextPart[] {
  const source = sources.find((candidate) => candidate.name === name)
  return (source?.datasets ?? [])
    .filter((candidate) => candidate.name === dataset)
    .map((content) => ({ place: datasetPlace(name, dataset), content }))
}

/** A column that only one version has is the contract's change: how it is read follows from its name. */
function datasetText(
  { contract, source, sourceDataset, ...mapping }: CheckedDataset,
  { datasets }: CheckedPipeline,
): TextPart[] {
  const others = datasets.find(({ name }) => name === mapping.name)?.contract.columns ?? []
  const { id: _id, version: _version, file = `contracts/${mapping.name}.yaml`, columns, ...terms } = contract
  const inBoth = columns.filter(({ name }) => others.some((other) => other.name === name))
  return [
    { place: file, content: { ...terms, columns: columns.map(({ reading: _reading, ...column }) => column) } },
    {
      place: datasetPlace(source, sourceDataset),
      content: { ...mapping, columns: inBoth.map(({ name, reading }) => ({ name, reading })) },
    },
  ]
}

/** The types of a model's columns follow from its SQL and its inputs; texts for messages only do not affect data. */
function modelText({
  name,
  file = fileOfModel({ name }),
  columns: _columns,
  begin: _begin,
  keyMayBeShown: _shown,
  ...model
}: CheckedModel): TextPart {
  return { place: file, content: model }
}

const datasetPlace = (source: string, dataset: string) => `pipeline.yaml (sources.${source}.datasets.${dataset})`

/** The same text for the same content, whatever the order of keys; without descriptions and positions of rules. */
function canonical(content: unknown): string {
  return JSON.stringify(content, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    const entries = Object.entries(value).filter(([key]) => key !== 'description' && key !== 'begin')
    return Object.fromEntries(entries.toSorted(([one], [other]) => (one < other ? -1 : 1)))
  })
}
