import { nothing, type Sample } from '@cinelake/source-kind'
import { sampleCsv, type UnpackedFile } from '@cinelake/transformer'
import { formatCount } from '../output/format-value.ts'
import type { Target } from './read-target.ts'

type CsvContext = {
  readonly target: Target
  /** Whose rows they are. */
  readonly dataset: string
  readonly limit: number
}

/** The first rows of a CSV file, with how it is written. */
export async function sampleOfCsv(file: UnpackedFile, { target, dataset, limit }: CsvContext): Promise<Sample> {
  const reading = target.pipeline.datasets.find(({ name }) => name === dataset)?.reading ?? { header: true, nulls: [] }
  const csv = await sampleCsv(file, reading, limit)
  if (csv === undefined) throw nothing(`${target.source.name}/${target.dataset}`, 'a header')
  const { encoding, delimiter, names, rows, misshapenCount, isAll } = csv
  const between = delimiter === undefined ? 'one column' : `delimiter ${delimiter === '\t' ? 'tab' : delimiter}`
  const wrong =
    misshapenCount === 0 ? [] : [['left out', `${formatCount(misshapenCount)} records that are no rows`] as const]
  return {
    facts: [['written', `${encoding}, ${between}${reading.header ? '' : ', no header'}`], ...wrong],
    columns: names.map((name) => ({ name })),
    rows: withoutNulls(rows, reading.nulls),
    isAll,
  }
}

/** Words that the dataset says mean nothing. */
function withoutNulls(rows: Sample['rows'], nulls: readonly string[]): Sample['rows'] {
  const words = new Set(nulls.map((word) => word.trim().toLowerCase()))
  return rows.map((row) => row.map((cell) => (cell !== null && words.has(cell.trim().toLowerCase()) ? null : cell)))
}
