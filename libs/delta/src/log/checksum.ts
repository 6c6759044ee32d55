import { eachBlock } from '@cinelake/core'
import { crc32 } from 'node:zlib'

/**
 * The tag under which a checksum is kept: in `add.tags` that of a data file, in `_last_checkpoint` that of a
 * checkpoint.
 */
export const CHECKSUM_TAG = 'cinelake.crc32'

/** CRC-32 of bytes or of a text in UTF-8, lowercase hex. Detects damage, not forgery. */
export function checksumOf(content: string | Uint8Array): string {
  return hex(crc32(content))
}

export async function checksumOfFile(file: string): Promise<string> {
  let sum = 0
  await eachBlock(file, (block) => (sum = crc32(block, sum)))
  return hex(sum)
}

function hex(sum: number): string {
  return sum.toString(16).padStart(8, '0')
}
