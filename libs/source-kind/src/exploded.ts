import { tableName, text } from '@cinelake/config-text'
import { suggest } from '@cinelake/core'
import { z } from 'zod'
import type { SourcePlace } from './source-place.ts'

/** Lists in a dataset's rows whose items are rows of another dataset. */
export const explode = z.record(text, tableName).optional()

/** Datasets of a source by name, as far as their lists are concerned. */
type ExplodeTexts = Readonly<
  Record<
    string,
    { readonly explode?: Readonly<Record<string, string>> | undefined; readonly contract?: string | undefined }
  >
>

/** The dataset of which another one has the items of a list, and the list's name. */
export function parentInText(
  name: string,
  datasets: ExplodeTexts,
): { readonly dataset: string; readonly field: string } | undefined {
  for (const [dataset, { explode: lists = {} }] of Object.entries(datasets)) {
    const field = Object.keys(lists).find((list) => lists[list] === name)
    if (field !== undefined) return { dataset, field }
  }
  return undefined
}

/** Reports names in a dataset's `explode` that are no other dataset of the source. */
export function checkExplodeNames(
  name: string,
  datasets: ExplodeTexts,
  { text: yaml, path, problems }: SourcePlace,
): void {
  for (const [field, child] of Object.entries(datasets[name]?.explode ?? {})) {
    if (datasets[child] !== undefined && child !== name) continue
    problems.error(
      yaml.at([...path, 'explode', field]),
      `\`explode\` names the unknown dataset \`${child}\``,
      suggest(
        child,
        Object.keys(datasets).filter((other) => other !== name),
      ),
    )
  }
}

/**
 * Checks a dataset that is either read by a key of its own (`files`, `table`) or has the items of a list of another.
 * @returns the value of that key; undefined for items, and where neither is the case
 */
export function readOwnPlace(
  name: string,
  { key, value, expected }: { readonly key: string; readonly value: string | undefined; readonly expected: string },
  datasets: ExplodeTexts,
  place: SourcePlace,
): string | undefined {
  const parent = parentInText(name, datasets)
  checkExplodeNames(name, datasets, place)
  const { text: yaml, path, problems } = place
  if (value === undefined && parent === undefined)
    problems.error(
      yaml.atKey(path),
      `\`${name}\` has no \`${key}\``,
      `${expected}, or name it in the \`explode\` of another dataset`,
    )
  if (value !== undefined && parent !== undefined)
    problems.error(
      yaml.at([...path, key]),
      `\`${name}\` is made of the rows of \`${parent.dataset}\` and lands nothing itself`,
      `leave \`${key}\` out, or take it out of \`explode\``,
    )
  return parent === undefined ? value : undefined
}
