import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, inflateRaw, zstdDecompress } from 'node:zlib'

type Unpack = (packed: Uint8Array, options: { readonly maxOutputLength: number }) => Promise<Uint8Array>

/** How packed answers are unpacked, by the name of the packing. Source: RFC 9110, 8.4.1; RFC 7932; RFC 8878 */
const UNPACK: Readonly<Record<string, Unpack>> = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  br: promisify(brotliDecompress),
  zstd: promisify(zstdDecompress),
  // Some servers leave out the wrapping that the standard asks for; a wrapped one begins with 8 in its low half.
  deflate: (packed, options) => promisify(((packed[0] ?? 0) & 0x0f) === 8 ? inflate : inflateRaw)(packed, options),
}

/** What this client says that it understands. */
export const ACCEPTED_ENCODINGS = 'gzip, br, zstd, deflate'

/**
 * Unpacks what the server packed, by turns where it packed several times.
 * @param encodings value of `Content-Encoding`
 * @throws {RangeError} more than `limitBytes` come out
 */
export async function unpack(packed: Uint8Array, encodings: string | null, limitBytes: number): Promise<Uint8Array> {
  let bytes = packed
  for (const name of (encodings ?? '').toLowerCase().split(',').reverse()) {
    const turn = UNPACK[name.trim()]
    if (turn === undefined || bytes.byteLength === 0) continue
    try {
      bytes = await turn(bytes, { maxOutputLength: limitBytes })
    } catch (error) {
      if (error instanceof RangeError || codeOf(error) === 'ERR_BUFFER_TOO_LARGE') throw new RangeError('too large')
      throw error
    }
  }
  return bytes
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
