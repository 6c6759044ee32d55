import { ConfigError } from '@cinelake/core'
import { sampleCsv, type UnpackedFile } from '@cinelake/transformer'
import { formatCount } from '../output/format-value.ts'
import type { Target } from './read-target.ts'
import type { Sample } from './sample.ts'

type CsvContext = {
  readonly target: Target
  /** Whose rows they are, where it is not the target's own. */
  readonly dataset?: string
  readonly limit: number
  readonly facts: Sample['facts']
}

/** The first rows of a CSV file, with how it is written. */
export async function ofCsv(
  file: UnpackedFile,
  { target, dataset = target.dataset, limit, facts }: CsvContext,
): Promise<Sample> {
  const reading = target.pipeline.datasets.find(({ name }) => name === dataset)?.reading ?? { header: true, nulls: [] }
  const csv = await sampleCsv(file, reading, limit)
  if (csv === undefined) throw nothing(target, 'a header')
  const { encoding, delimiter, names, rows, misshapenCount, isAll } = csv
  const between = delimiter === undefined ? 'one column' : `delimiter ${delimiter === '\t' ? 'tab' : delimiter}`
  const wrong =
    misshapenCount === 0 ? [] : [['left out', `${formatCount(misshapenCount)} records that are no rows`] as const]
  return {
    facts: [...facts, ['written', `${encoding}, ${between}${reading.header ? '' : ', no header'}`], ...wrong],
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

/** Nothing is there that could be looked at. */
export function nothing(target: Target, expected: string, instead = 'try another file'): ConfigError {
  const problem = `${target.source.name}/${target.dataset}: expected ${expected}, got none; ${instead}`
  return new ConfigError('there is nothing to look at', [problem])
}

/** What the platform writes itself says nothing about the source. */
export function withoutCsv(sample: Sample): Sample {
  return { ...sample, facts: sample.facts.filter(([what]) => what !== 'written') }
}
