import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { type RequestPlace, RestBodyError, restErrors } from '../errors.ts'
import type { Answer } from '../http/send-request.ts'
import { typeNote } from './body-format.ts'

const unpack = promisify(gunzip)

/**
 * The text of an answer's body: unpacked where it is a .gz file that was not said to be packed, and decoded.
 * @throws {RestBodyError} terminal
 * @throws {REST_BODY_TOO_LARGE} terminal: more than `maxBodyBytes` when unpacked
 */
export async function decodeText(answer: Answer, place: RequestPlace, maxBodyBytes: number): Promise<string> {
  const bytes = await unpacked(answer.body, place, maxBodyBytes)
  const charset = charsetOf(answer, bytes)
  try {
    return new TextDecoder(charset, { fatal: true }).decode(bytes)
  } catch (error) {
    const isUnknown = error instanceof RangeError
    const got = isUnknown ? `the unknown character set ${charset}` : `bytes that are not ${charset}${typeNote(answer)}`
    throw new RestBodyError(place, got)
  }
}

/** No format begins like a gzip member does (RFC 1952, 2.3.1). */
async function unpacked(body: Uint8Array, place: RequestPlace, maxBodyBytes: number): Promise<Uint8Array> {
  if (body[0] !== 0x1f || body[1] !== 0x8b) return body
  try {
    return await unpack(body, { maxOutputLength: maxBodyBytes })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ERR_BUFFER_TOO_LARGE') throw restErrors.REST_BODY_TOO_LARGE(place, maxBodyBytes)
    throw new RestBodyError(place, 'a packed file (gzip) that is broken or ends in the middle', { cause: error })
  }
}

/** What the server says, else what the bytes say, else UTF-8. */
function charsetOf({ headers }: Answer, bytes: Uint8Array): string {
  const told = /charset="?([^";\s]+)/i.exec(headers.get('content-type') ?? '')?.[1]
  if (told !== undefined) return told
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le'
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be'
  // The declaration is ASCII in every character set that this could be. Source: XML 1.0, appendix F
  const head = Buffer.from(bytes.subarray(0, 200)).toString('latin1')
  return /^(?:\xef\xbb\xbf)?<\?xml[^>]*\sencoding=["']([\w.-]+)["']/.exec(head)?.[1] ?? 'utf-8'
}
