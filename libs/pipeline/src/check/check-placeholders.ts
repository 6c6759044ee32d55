import type { Problems } from '../problem.ts'
import { closestName } from '@cinelake/core'
import { AS_SECRET } from '../text/check-shape.ts'
import { PipelineText } from '../text/pipeline-schema.ts'
import { placeholdersOf, type Placeholder } from '../text/placeholders.ts'
import { sensitivityOf } from '../text/secrets.ts'
import type { YamlPath, YamlText } from '../text/yaml-text.ts'
import { isKept, secretPartsOf } from './secret-parts.ts'

export type Known = {
  /** Settings of this machine; undefined when they are not to be checked. */
  readonly settings?: Readonly<Record<string, string | undefined>> | undefined
  /** Whether a secret is there; undefined when they are not to be checked. */
  readonly hasSecret?: ((name: string) => boolean | Promise<boolean>) | undefined
  /** What a setting or a secret is that is not there. Default: `error`. */
  readonly missing?: 'error' | 'warning'
}

/** Texts in which placeholders are filled, as paths below `sources.<name>`; `*` is any name, `**` any names. */
const FILLED = [
  'path',
  'url',
  'baseUrl',
  'headers.*',
  'auth.*',
  'auth.parameters.*',
  'tls.*',
  'auth.claims.*',
  'auth.keys.*',
  'auth.entra.*',
  'datasets.*.path',
  'datasets.*.afterLanding.archive',
  'datasets.*.query.*',
  'datasets.*.body.**',
  'datasets.*.pagination.values.*',
].map((path) => path.split('.'))

/** Choices, in which nothing is filled. */
const CHOICES = new Set(['type', 'grant', 'clientAuth', 'as', 'algorithm', 'lifetime', 'header', 'parameter'])

/** Checks every `${…}` of the text: its form, that it is filled where it stands, and that there is a value for it. */
export async function checkPlaceholders(text: YamlText, known: Known, problems: Problems): Promise<void> {
  for (const { path, value } of stringsIn(text.value, [])) {
    const { found, malformed } = placeholdersOf(value)
    const isFilled = path[0] === 'sources' && FILLED.some((form) => matches(form, path.slice(2)))
    if (!isFilled) {
      const [first] = isFreeText(path) ? [] : found
      if (first !== undefined)
        problems.error(
          text.at(path),
          `the placeholder \`${formOf(first)}\` stands where none is filled`,
          'write the value itself; placeholders are for path, url, baseUrl, headers, auth, query and body',
        )
      continue
    }
    for (const form of malformed) {
      problems.error(
        text.at(path),
        sensitivityOf(PipelineText, path).hidden
          ? 'what begins with `${` is no placeholder'
          : `\`${form}\` is no placeholder`,
        'expected ${NAME}, ${NAME:-default} or ${secret:NAME}',
      )
    }
    // What stands in the text without any placeholder is reported by those who read the source.
    const open = found.length === 0 ? [] : secretPartsOf(path, value).filter((part) => !isKept(part))
    for (const { what } of open) problems.error(text.at(path), `the ${what} is not kept as a secret`, AS_SECRET)
    // Only those who take pushes need what says who may push; a run goes without.
    const isWarning = known.missing === 'warning' || isAboutPushing(text.value, path)
    const report = isWarning ? problems.warning.bind(problems) : problems.error.bind(problems)
    for (const placeholder of found) {
      if (placeholder.secret) {
        if (known.hasSecret === undefined || (await known.hasSecret(placeholder.name))) continue
        report(
          text.at(path),
          `the secret \`${placeholder.name}\` is missing`,
          'add it where CINELAKE_SECRETS points, or correct its name',
        )
      } else if (
        known.settings !== undefined &&
        placeholder.fallback === undefined &&
        !open.some(({ value: part }) => part.includes(formOf(placeholder))) &&
        (known.settings[placeholder.name] ?? '') === ''
      ) {
        const closest = closestName(placeholder.name, Object.keys(known.settings))
        const instead = closest === undefined ? '' : `; did you mean \`${closest}\`?`
        report(
          text.at(path),
          `the setting \`${placeholder.name}\` is missing`,
          `set the environment variable ${placeholder.name}, or give a default: \`\${${placeholder.name}:-…}\`${instead}`,
        )
      }
    }
  }
}

/** A placeholder as it is written, without its default. */
const formOf = ({ name, secret }: Placeholder) => `\${${secret ? 'secret:' : ''}${name}}`

function isAboutPushing(pipeline: unknown, [, source = '', key]: YamlPath): boolean {
  const sources = fieldOf(pipeline, 'sources')
  return key === 'auth' && fieldOf(fieldOf(sources, String(source)), 'type') === 'push'
}

const fieldOf = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[key] : undefined

/** Regular expressions, words and descriptions may hold anything. */
const isFreeText = (path: YamlPath) =>
  path.includes('columns') || path.includes('description') || path.includes('nulls')

function* stringsIn(value: unknown, path: YamlPath): Generator<{ readonly path: YamlPath; readonly value: string }> {
  if (typeof value === 'string') yield { path, value }
  if (typeof value !== 'object' || value === null) return
  for (const [key, child] of Object.entries(value))
    yield* stringsIn(child, [...path, Array.isArray(value) ? Number(key) : key])
}

function matches(form: readonly string[], path: YamlPath): boolean {
  if (form[0] === 'auth' && form.length === 2 && CHOICES.has(String(path.at(-1)))) return false
  const isDeep = form.at(-1) === '**'
  const steps = isDeep ? form.slice(0, -1) : form
  if (isDeep ? path.length <= steps.length : path.length !== steps.length) return false
  return steps.every((step, index) => step === '*' || step === path[index])
}
