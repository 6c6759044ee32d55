// The meaning of column names in the form of contracts: lower case, with `_` between words.

const KEY_WORDS = 'id|uuid|guid|key|code|no|number|nr|sku|isbn|ean|slug'
const KEY_WORD = new RegExp(`^(?:${KEY_WORDS})$`)
const KEY_NAME = new RegExp(`^(?:.*_)?(?:${KEY_WORDS})$`)

/** A name that can only be an identifier of the rows. */
export const isKeyWord = (name: string) => KEY_WORD.test(name)

/** A name of an identifier, of this table or of another. */
export const isKeyName = (name: string) => KEY_NAME.test(name)

/** Written in digits, but not a quantity; leading zeros matter. */
export const isCode = (name: string) =>
  /(?:^|_)(?:zip|zip_?code|post(?:al)?_?code|plz|phone(?:_?(?:no|number))?|telefon|tel|mobile(?:_?(?:no|number))?|fax|ssn|tax_?id|vat_?id|iban|isbn|ean|gtin|upc|account_?(?:no|number))$/.test(
    name,
  )

export const isCoordinate = (name: string) => /(?:^|_)(?:lat|lng|lon|latitude|longitude)$/.test(name)

/** `orders` → `order`, `entries` → `entry`; in lower case. */
export function singularOf(name: string): string {
  const lower = name.toLowerCase()
  return lower.endsWith('ies') ? `${lower.slice(0, -3)}y` : lower.replace(/s$/, '')
}
