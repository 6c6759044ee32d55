import { isExactNumber, type JsonValue } from '@cinelake/json-rows'

/** A value of a body as text, for comparison with one of the pipeline's text. */
export function textOfValue(value: JsonValue): string {
  if (typeof value !== 'object' || value === null) return String(value)
  return isExactNumber(value) ? value.rawJSON : JSON.stringify(value)
}

/** Values by which servers indicate that there is nothing: no next page, no error. */
export function isAbsent(value: JsonValue | undefined): value is null | undefined | false | '' {
  return value === undefined || value === null || value === false || value === ''
}
