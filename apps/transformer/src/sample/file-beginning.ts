import { open, stat } from 'node:fs/promises'
import { createTranscoder, FALLBACK, guessEncoding, Utf8Census, type Encoding } from '../read-csv/text-encoding.ts'

/** The beginning of a file in UTF-8 without byte order mark. */
export function asText(
  bytes: Uint8Array,
  declared: string | undefined,
): { readonly bytes: Uint8Array; readonly encoding: Encoding } {
  const guess = guessEncoding(bytes, declared)
  const census = new Utf8Census()
  if (guess.encoding === 'utf-8') census.push(bytes)
  const isUtf8 = census.oddCount === 0 || guess.isCertain || census.isMostlyUtf8
  const encoding = isUtf8 ? guess.encoding : FALLBACK
  const content = bytes.subarray(guess.markLength)
  return { bytes: encoding === 'utf-8' ? content : createTranscoder(encoding).push(content), encoding }
}

/** The first bytes of a file. */
export async function beginning(
  file: string,
  count: number,
): Promise<{ readonly bytes: Buffer; readonly isWhole: boolean }> {
  await using handle = await open(file, 'r')
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(count), 0, count, 0)
  return { bytes: buffer.subarray(0, bytesRead), isWhole: (await stat(file)).size === bytesRead }
}
