import {
  AS_SECRET,
  isKept,
  placeholdersOf,
  secretPartsOf,
  sensitivityOf,
  type Placeholder,
  type Problems,
  type YamlPath,
  type YamlText,
} from '@cinelake/config-text'
import { closestName } from '@cinelake/core'
import { SOURCE_KINDS } from '../source-kinds.ts'
import { PipelineText } from '../text/pipeline-schema.ts'

export type Known = {
  /** Settings of this machine; undefined if they are not to be checked. */
  readonly settings?: Readonly<Record<string, string | undefined>> | undefined
  /** Whether a secret exists; undefined if secrets are not to be checked. */
  readonly hasSecret?: ((name: string) => boolean | Promise<boolean>) | undefined
  /** The severity of a missing setting or secret. Default: `error`. */
  readonly missing?: 'error' | 'warning'
}

/** Checks every `${…}` of the text: its syntax, that it is filled at its place, and that it has a value. */
export async function checkPlaceholders(text: YamlText, known: Known, problems: Problems): Promise<void> {
  for (const { path, value } of stringsIn(text.value, [])) {
    const { found, malformed } = placeholdersOf(value)
    const field = sensitivityOf(PipelineText, path)
    if (!field.isFilled) {
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
        field.hidden ? 'what begins with `${` is no placeholder' : `\`${form}\` is no placeholder`,
        'expected ${NAME}, ${NAME:-default} or ${secret:NAME}',
      )
    }
    // Literal texts without placeholders are reported when the source is read.
    const open =
      found.length === 0 ? [] : secretPartsOf(path.at(-1) ?? '', value, field).filter((part) => !isKept(part))
    for (const { what } of open) problems.error(text.at(path), `the ${what} is not kept as a secret`, AS_SECRET)
    const isWarning = known.missing === 'warning' || isForServing(text.value, path)
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

/** A placeholder as written, without its default. */
const formOf = ({ name, secret }: Placeholder) => `\${${secret ? 'secret:' : ''}${name}}`

/** Whether only a service that receives data needs it; runs do not. */
function isForServing(pipeline: unknown, [, source = '', key = '']: YamlPath): boolean {
  const type = fieldOf(fieldOf(fieldOf(pipeline, 'sources'), String(source)), 'type')
  const kind = Object.values(SOURCE_KINDS).find((each) => each.type === type)
  return kind?.keysForServing?.includes(String(key)) === true
}

const fieldOf = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[key] : undefined

/** Regular expressions, lists of words and descriptions may contain any text. */
const isFreeText = (path: YamlPath) =>
  path.includes('columns') || path.includes('description') || path.includes('nulls')

function* stringsIn(value: unknown, path: YamlPath): Generator<{ readonly path: YamlPath; readonly value: string }> {
  if (typeof value === 'string') yield { path, value }
  if (typeof value !== 'object' || value === null) return
  for (const [key, child] of Object.entries(value))
    yield* stringsIn(child, [...path, Array.isArray(value) ? Number(key) : key])
}
