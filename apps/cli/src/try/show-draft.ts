import type { Paint } from '../output/terminal.ts'
import { formatTable } from '../output/format-table.ts'
import { formatCount } from '../output/format-value.ts'
import type { Sample } from '@cinelake/source-kind'
import type { Draft } from './draft.ts'
import type { DraftColumn } from './guess-key.ts'
import { textsOf } from './sample.ts'

/** Values of a column that are shown on request. */
const SHOWN = 3
/** Characters of them. */
const SHOWN_WIDTH = 40

/** The inferred columns of a dataset, as a table. Without `showValues` it has no value of the source. */
export function showDraft(
  sample: Sample,
  draft: Draft,
  { paint, showValues }: { readonly paint: Paint; readonly showValues: boolean },
): string {
  const rows = `${formatCount(sample.rows.length)}${sample.isAll ? ', all there are' : ', the first'}`
  const facts = [...sample.facts, ['rows', rows] as const]
  const width = Math.max(...facts.map(([what]) => what.length))
  const lines = facts.map(([what, found]) => `${paint('dim', what.padEnd(width))}  ${found}\n`)
  const titles = ['column', 'type', 'empty', 'distinct', 'seems', ...(showValues ? ['values'] : [])]
  const cells = draft.columns.map((column) => [
    column.name,
    typeText(column),
    formatCount(column.emptyCount),
    formatCount(column.distinctCount),
    seems(column),
    ...(showValues ? [valuesText(sample, column)] : []),
  ])
  const left = draft.leftOut.map(([name, why]) => `${paint('yellow', 'left out')} ${name}: ${why}\n`)
  return `${lines.join('')}\n${formatTable(
    titles.map((title) => ({ title, maxWidth: 70 })),
    cells,
    { paint },
  )}${left.join('')}`
}

function typeText({ inferred: { type, formats, decimal } }: DraftColumn): string {
  const how = [...(formats ?? []), ...(decimal === undefined ? [] : [`decimal ${decimal}`])]
  return how.length === 0 ? type : `${type} ${how.join(' or ')}`
}

function seems({ isKey, isUnique, isRequired, personal, values, minimum, inferred }: DraftColumn): string {
  return [
    ...(isKey ? ['the key'] : isUnique ? ['unique'] : []),
    ...(isRequired && !isKey ? ['required'] : []),
    ...(personal === undefined ? [] : [`personal (${personal})`]),
    ...(values === undefined ? [] : [`one of ${values.length} values`]),
    ...(minimum === undefined ? [] : ['never negative']),
    ...(inferred.nulls === undefined ? [] : [`${inferred.nulls.length} words for nothing`]),
    ...(inferred.note === undefined ? [] : [inferred.note]),
  ].join(', ')
}

function valuesText(sample: Sample, { from }: DraftColumn): string {
  const index = sample.columns.findIndex(({ name }) => name === from)
  const values = [...new Set(textsOf(sample, index))].slice(0, SHOWN)
  // Control characters that a terminal would act on are removed.
  return values.map((value) => value.slice(0, SHOWN_WIDTH).replaceAll(/\p{Cc}+/gu, ' ')).join(' · ')
}
