import { type AccessText, checkAccess } from '@cinelake/file-places/config'
import type { SourcePlace } from '@cinelake/source-kind'
import { isOpen } from '../file-pattern.ts'

/** The part of a source's text that says where its files are. */
type PlaceText = AccessText & {
  readonly path: string
  readonly datasets: Readonly<
    Record<
      string,
      {
        readonly files?: string | undefined
        readonly windowFrom?: string | undefined
        readonly afterLanding?: string | { readonly archive: string } | undefined
      }
    >
  >
}

/** Reports what of a source does not go with its place. */
export function checkPlace(source: PlaceText, { text, path, problems }: SourcePlace): void {
  const rules = checkAccess(source, { at: (...keys) => text.at([...path, ...keys]), problems })
  if (rules === undefined) return
  const { called, knowsArrival, isReadOnly } = rules
  for (const [name, { files, windowFrom, afterLanding }] of Object.entries(source.datasets)) {
    const at = (key: string) => text.at([...path, 'datasets', name, key])
    if (isReadOnly === true && files !== undefined && isOpen(files)) {
      problems.error(
        at('files'),
        'an HTTP server is not listed: a name cannot have wildcards',
        'write the name out, with `{yyyy}`, `{MM}`, `{dd}` for the time and `{a,b}` for several',
      )
    }
    if (isReadOnly === true && afterLanding !== undefined && afterLanding !== 'leave') {
      problems.error(at('afterLanding'), `${called} can neither move nor delete files`, 'leave it out')
      continue
    }
    if (windowFrom === 'arrival' && !knowsArrival) {
      problems.error(
        at('windowFrom'),
        `${called} cannot tell when a file came`,
        'use `modified`, or the time in the name',
      )
    }
    if (typeof afterLanding === 'object' && /^(?:[/\\]|[a-z]+:)/i.test(afterLanding.archive)) {
      problems.error(
        text.at([...path, 'datasets', name, 'afterLanding', 'archive']),
        "an archive outside the source's `path` cannot be reached",
        'expected a folder below it, such as `done`',
      )
    }
  }
}
