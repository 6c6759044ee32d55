import { describeSyntaxError, isObject, parseJson, type JsonObject } from '@cinelake/json-rows'
import { PushBodyError } from '../errors.ts'

/** Decodes UTF-8. @throws {PushBodyError} terminal: invalid UTF-8 */
export function utf8Of(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new PushBodyError(where, 'UTF-8', 'bytes that are something else')
  }
}

/**
 * Parses a record's text as an object.
 * @param where for people: `record 3`, `line 7`
 * @throws {PushBodyError} terminal
 */
export function parseRecord(text: string, where: string): JsonObject {
  const value = parsed(text, where)
  if (!isObject(value)) throw new PushBodyError(where, 'an object', 'another value')
  return value
}

function parsed(text: string, where: string) {
  try {
    return parseJson(text)
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error
    // Without cause: the parser's message quotes its input.
    throw new PushBodyError(where, 'an object in JSON', describeSyntaxError(error, text.length))
  }
}
