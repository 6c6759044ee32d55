/** Names of columns that hold personal data, in a few languages; any words may precede them. */
const NAMES = new RegExp(
  `^(?:.*_)?(?:${[
    '(?:first|last|full|middle|maiden|sur|given|family|customer|user|contact|holder|display|birth|nick)_?names?',
    'vorname|nachname|kunde|kundenname|prenom|nombre|apellidos?|username|initials',
    'e_?mails?(?:_?address)?|(?:tele)?phone(?:_?(?:no|number))?|mobile(?:_?(?:no|number))?|tel|telefon(?:nummer)?|handy|fax',
    'address(?:_?line)?_?\\d?|adresse|anschrift|street(?:_?(?:name|address|no|number))?|strasse|straße|hausnummer',
    'zip(?:_?code)?|post(?:al)?_?code|plz|lat|lng|lon|latitude|longitude',
    '.*birth.*|dob|geburtsdatum|geburtstag|gender|sex|geschlecht|nationality|religion|salary|gehalt',
    'ssn|social_?security.*|tax_?id|passport.*|iban|credit_?card.*|card_?(?:no|number)|ip(?:_?address)?|password.*',
  ].join('|')})$`,
)
/** Tables of persons, in which a `name` is a person's name. */
const PEOPLE =
  /(?:^|_)(?:customers?|clients?|users?|people|persons?|employees?|staff|contacts?|members?|patients?|students?|teachers?|drivers?|authors?|subscribers?|guests?|kunden?|mitarbeiter|personen)$/

const E_MAIL = /^[^@\s]+@[^@\s]+\.[^@\s]+$/
const PHONE = /^(?:\+|00)\d[\d ()./-]{6,18}\d$|^\(?\d{3}\)?[ -]\d{3}[ -]\d{4}(?: ?x\d+)?$/
const IP = /^(?:\d{1,3}\.){3}\d{1,3}$/
const IBAN = /^[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,4})?$/

/** Share of texts from which a column is of a kind. */
const ENOUGH = 0.5

/**
 * Why a column seems to hold personal data; undefined where it does not. A heuristic: a user who knows the data has to
 * check it.
 * @param place the column and its dataset, by their names in the contract
 */
export function guessPersonal(
  { name, dataset }: { readonly name: string; readonly dataset: string },
  texts: readonly string[],
): string | undefined {
  const shareOf = (pattern: RegExp) => texts.filter((text) => pattern.test(text)).length / Math.max(1, texts.length)
  const inside = personalFields({ name, dataset }, texts)
  if (inside.length > 0) return `${inside.join(', ')} in it`
  if (shareOf(E_MAIL) >= ENOUGH) return 'e-mail addresses'
  if (shareOf(IBAN) >= ENOUGH) return 'account numbers'
  if (shareOf(PHONE) >= ENOUGH) return 'telephone numbers'
  if (shareOf(IP) >= ENOUGH) return 'addresses of machines'
  if (name === 'name' && PEOPLE.test(dataset.toLowerCase())) return 'its name'
  return NAMES.test(name) ? 'its name' : undefined
}

/** Most fields named in a reason: enough as evidence. */
const MAX_FIELDS = 3

/** Fields of JSON texts that seem to be personal: nesting makes data no less personal. */
function personalFields(
  place: { readonly name: string; readonly dataset: string },
  texts: readonly string[],
): string[] {
  const values = new Map<string, string[]>()
  for (const text of texts) if (/^[[{]/.test(text)) collectFields(parsed(text), place.name, values)
  const found = [...values].filter(([path, those]) => {
    const name = path.slice(path.lastIndexOf('.') + 1).toLowerCase()
    return guessPersonal({ name, dataset: place.name }, those) !== undefined
  })
  return found.slice(0, MAX_FIELDS).map(([path]) => path)
}

/** Adds the scalars below a value, by path: `profile.address.zip`. */
function collectFields(value: unknown, path: string, values: Map<string, string[]>): void {
  if (Array.isArray(value)) {
    for (const item of value) collectFields(item, path, values)
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, inner] of Object.entries(value)) collectFields(inner, `${path}.${name}`, values)
  } else if (value !== null && path.includes('.')) {
    const those = values.get(path) ?? []
    those.push(typeof value === 'string' ? value : JSON.stringify(value))
    values.set(path, those)
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
