import { open } from 'node:fs/promises'

/** Bytes read at once: as fast as larger blocks. */
const BLOCK_BYTES = 256 * 1024

/**
 * Passes over the bytes of a file in a single buffer: a block is valid until `see` returns. A read stream allocates each
 * block, and beside an engine with its own memory tens of MiB of them wait for the garbage collector.
 */
export async function eachBlock(
  file: string,
  see: (block: Buffer) => void,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  await using handle = await open(file, 'r')
  const buffer = Buffer.allocUnsafe(BLOCK_BYTES)
  for (;;) {
    signal?.throwIfAborted()
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, null)
    if (bytesRead === 0) return
    see(buffer.subarray(0, bytesRead))
  }
}
