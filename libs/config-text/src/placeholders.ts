/** `${NAME}`, `${NAME:-default}` or `${secret:NAME}`: the same forms that are filled when the text is used. */
const PLACEHOLDER =
  /\$\{(?:secret:(?<secret>[A-Za-z0-9][A-Za-z0-9._-]*)|(?<setting>[A-Za-z_]\w*)(?::-(?<fallback>[^}]*))?)\}/g

export type Placeholder = {
  readonly name: string
  readonly secret: boolean
  /** What stands in for a setting that is not there. */
  readonly fallback?: string
}

/** The placeholders of a text, and what looks like one but is none. */
export function placeholdersOf(text: string): { readonly found: Placeholder[]; readonly malformed: string[] } {
  const found = [...text.matchAll(PLACEHOLDER)].map(({ groups }) => ({
    name: groups?.['secret'] ?? groups?.['setting'] ?? '',
    secret: groups?.['secret'] !== undefined,
    ...(groups?.['fallback'] === undefined ? {} : { fallback: groups['fallback'] }),
  }))
  const rest = text.replaceAll(PLACEHOLDER, '')
  const malformed = [...rest.matchAll(/\$\{[^}]*\}?/g)].map(([form]) => form)
  return { found, malformed }
}

/** A text with each placeholder replaced by one word, to look at the form of what is around them. */
export function withoutPlaceholders(text: string, word = 'x'): string {
  return text.replaceAll(PLACEHOLDER, word)
}
