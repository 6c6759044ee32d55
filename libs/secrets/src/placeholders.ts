import { PlaceholderError } from './errors.ts'
import { isBlank, type Secrets } from './secrets.ts'

/** Settings by name, as they came from the environment. */
export type Settings = Readonly<Record<string, string | undefined>>

export type FillOptions = {
  /** Look secrets up again: the cached value was rejected. */
  readonly refresh?: boolean
  /** How a secret's value is written into this text: `encodeURIComponent` inside an address. */
  readonly encodeSecret?: (value: string) => string
}

/**
 * Fills the placeholders of a pipeline's text where it is used, on the machine that uses it:
 * `${NAME}` and `${NAME:-default}` from the settings, `${secret:NAME}` from the secrets.
 *
 * @throws {PlaceholderError} terminal: names every placeholder that has no value
 * @throws {SecretMissingError} terminal
 */
export type Fill = (text: string, options?: FillOptions) => Promise<string>

/** One placeholder of a text. */
export type Placeholder =
  | {
      readonly kind: 'setting'
      readonly name: string
      /** Stands in when the setting is absent or blank. */ readonly fallback?: string
    }
  | { readonly kind: 'secret'; readonly name: string }
  | { readonly kind: 'malformed'; readonly text: string }

/** Anything that begins like a placeholder, terminated or not. */
const CANDIDATE = /\$\{[^}]*\}?/g
const SETTING = /^\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}$/
const SECRET = /^\$\{secret:([A-Za-z0-9][A-Za-z0-9._-]*)\}$/

/** The placeholders of a text in order, so that missing values can be reported before anything runs. */
export function placeholdersIn(text: string): Placeholder[] {
  return [...text.matchAll(CANDIDATE)].map(([found]) => parse(found))
}

/** Makes the function that fills a pipeline's texts on this machine. */
export function createFill({ settings, secrets }: { readonly settings: Settings; readonly secrets: Secrets }): Fill {
  return async (text, { refresh = false, encodeSecret = (value: string) => value } = {}) => {
    const placeholders = placeholdersIn(text)
    const problems = placeholders.flatMap((placeholder) => problemOf(placeholder, settings))
    if (problems.length > 0) throw new PlaceholderError(problems)

    const values: string[] = []
    for (const placeholder of placeholders) {
      if (placeholder.kind === 'secret') values.push(encodeSecret(await secrets.get(placeholder.name, { refresh })))
      else values.push(settingOf(placeholder, settings) ?? '')
    }
    return text.replaceAll(CANDIDATE, () => values.shift() ?? '')
  }
}

function parse(text: string): Placeholder {
  const secret = SECRET.exec(text)?.[1]
  if (secret !== undefined) return { kind: 'secret', name: secret }
  const [, name, fallback] = SETTING.exec(text) ?? []
  if (name === undefined) return { kind: 'malformed', text }
  return { kind: 'setting', name, ...(fallback !== undefined && { fallback }) }
}

function settingOf(placeholder: Placeholder, settings: Settings): string | undefined {
  if (placeholder.kind !== 'setting') return undefined
  const value = settings[placeholder.name] ?? ''
  return isBlank(value) ? placeholder.fallback : value
}

function problemOf(placeholder: Placeholder, settings: Settings): string[] {
  if (placeholder.kind === 'secret') return []
  if (placeholder.kind === 'malformed') {
    return [`\`${placeholder.text}\` is no placeholder: expected \${NAME}, \${NAME:-default} or \${secret:NAME}`]
  }
  if (settingOf(placeholder, settings) !== undefined) return []
  const { name } = placeholder
  return [
    `\${${name}}: expected the environment variable ${name}, got none; set it, or give a default as \${${name}:-default}`,
  ]
}
