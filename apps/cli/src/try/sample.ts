import type { Sample } from '@cinelake/source-kind'

/** A column's texts that are not empty. */
export function textsOf({ rows }: Pick<Sample, 'rows'>, column: number): string[] {
  return rows.flatMap((row) => {
    const text = row[column]?.trim() ?? ''
    return text === '' ? [] : [text]
  })
}
