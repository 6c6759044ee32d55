/** Names of columns that hold personal data, in a few languages, compared without case and separators. */
const NAMES =
  /^(?:(?:first|last|full|middle|maiden|sur|given|family|customer|user|contact|holder|display|birth)_?names?|e_?mails?(?:_?address)?|.*_e_?mail|.*_?phone(?:_?(?:no|number))?|mobile(?:_?(?:no|number))?|tel(?:ephone)?|fax|address(?:_?line)?_?\d?|street(?:_?(?:name|address|no|number))?|.*_address|zip(?:_?code)?|post(?:al)?_?code|.*birth.*|dob|geburtsdatum|vorname|nachname|strasse|ssn|social_?security.*|tax_?id|passport.*|iban|.*_iban|credit_?card.*|card_?(?:no|number)|ip(?:_?address)?|.*_ip|gender|sex|nationality|religion|salary|latitude|longitude|password.*|username|nick_?name)$/i

const E_MAIL = /^[^@\s]+@[^@\s]+\.[^@\s]+$/
const PHONE = /^(?:\+|00)\d[\d ()./-]{6,18}\d$|^\(?\d{3}\)?[ -]\d{3}[ -]\d{4}(?: ?x\d+)?$/
const IP = /^(?:\d{1,3}\.){3}\d{1,3}$/
const IBAN = /^[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,4})?$/

/** Share of texts from which a column is of a kind. */
const ENOUGH = 0.5

/**
 * Why a column seems to hold personal data; undefined where it does not. A guess: somebody who knows the data has to look.
 * @param name as the contract calls it
 */
export function guessPersonal(name: string, texts: readonly string[]): string | undefined {
  const shareOf = (pattern: RegExp) => texts.filter((text) => pattern.test(text)).length / Math.max(1, texts.length)
  if (shareOf(E_MAIL) >= ENOUGH) return 'e-mail addresses'
  if (shareOf(IBAN) >= ENOUGH) return 'account numbers'
  if (shareOf(PHONE) >= ENOUGH) return 'telephone numbers'
  if (shareOf(IP) >= ENOUGH) return 'addresses of machines'
  // `customer.address.city` → its own name and the one above it.
  const last = name.replace(/^.*?((?:address|bank|birth|company|hair)_)?([^_]*(?:_[^_]*)?)$/, '$1$2')
  return NAMES.test(name) || NAMES.test(last) ? 'its name' : undefined
}
