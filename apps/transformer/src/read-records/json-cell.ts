import { isExactNumber, type JsonArray, type JsonValue } from '@cinelake/json-rows'
import { KIND, type Cell } from './record.ts'

/**
 * A JSON value for a column of a type. Numbers keep their digits.
 * @returns a string for a value that cannot be held: why, without the value
 */
export function cellOfJson(value: JsonValue, type: string): Cell | string {
  if (value === null) return null
  if (typeof value === 'string') return value.isWellFormed() ? { kind: KIND.text, text: value } : HALF_CHARACTER
  if (typeof value === 'boolean') return { kind: KIND.boolean, text: String(value) }
  if (typeof value === 'number') return { kind: KIND.number, text: numberFor(String(value), type) }
  if (isExactNumber(value)) return { kind: KIND.number, text: numberFor(value.rawJSON, type) }
  if (Array.isArray(value) && type.endsWith('[]')) return listOf(value as JsonArray, type.slice(0, -2))
  const text = JSON.stringify(value)
  return hasHalfCharacter(text) ? HALF_CHARACTER : { kind: KIND.json, text }
}

const HALF_CHARACTER = 'a text with half of a character (a lone surrogate)'

/** JSON writes a lone surrogate as an escape. */
function hasHalfCharacter(json: string): boolean {
  return /(?<!\\)(?:\\\\)*\\u[dD][89a-fA-F]/.test(json)
}

function listOf(items: JsonArray, itemType: string): Cell | string {
  let areTexts = false
  const texts: (string | null)[] = []
  for (const item of items) {
    const cell = cellOfJson(item, itemType)
    if (typeof cell === 'string') return cell
    areTexts ||= cell?.kind === KIND.text
    texts.push(cell?.text ?? null)
  }
  return { kind: areTexts ? KIND.texts : KIND.scalars, text: JSON.stringify(texts) }
}

/** Texts keep a number as it is written; columns of numbers get it without an exponent. */
function numberFor(digits: string, type: string): string {
  return type === 'VARCHAR' || type === 'DOUBLE' ? digits : withoutExponent(digits)
}

/** Digits that an exponent may add: more are beyond any column. */
const MOST_PLACES = 80

/** `1.5e3` as `1500`: the same number, for columns of whole numbers and decimals. */
export function withoutExponent(number: string): string {
  const [, sign = '', whole = '', fraction = '', exponent] = /^(-?)(\d+)(?:\.(\d*))?[eE]([-+]?\d+)$/.exec(number) ?? []
  const places = Number(exponent)
  if (exponent === undefined || Math.abs(places) > MOST_PLACES) return number
  const digits = whole + fraction
  const point = whole.length + places
  const padded = point <= 0 ? '0'.repeat(1 - point) + digits : digits.padEnd(point, '0')
  const at = Math.max(point, 1)
  const rest = padded.slice(at).replace(/0+$/, '')
  return `${sign}${padded.slice(0, at).replace(/^0+(?=\d)/, '')}${rest === '' ? '' : `.${rest}`}`
}
