/** How a file is compressed, detected by its signature, since names are unreliable. Sources: RFC 1952, 2.3.1; APPNOTE.TXT 4.3.7 and 4.3.16 */
const MAGIC: readonly { readonly bytes: readonly number[]; readonly compression: 'gzip' | 'zip' }[] = [
  { bytes: [0x1f, 0x8b, 0x08], compression: 'gzip' },
  { bytes: [0x50, 0x4b, 0x03, 0x04], compression: 'zip' },
  { bytes: [0x50, 0x4b, 0x05, 0x06], compression: 'zip' },
]

export type Compression = 'gzip' | 'zip'

/** @param first first bytes of a file: at least four, unless the file is shorter */
export function compressionOf(first: Uint8Array): Compression | undefined {
  return MAGIC.find(({ bytes }) => bytes.every((byte, at) => first[at] === byte))?.compression
}
