import { CancelledError } from '@cinelake/core'
import { constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { FileChangedError, systemErrorCode, fileError, withTimeout } from '../errors.ts'
import type { FoundFile } from './drop-place.ts'

/** Opening a named pipe would block until a writer opens it; Windows has no such flag, and no named pipes in folders. */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)

/** Bytes per read: on a share each read is a round trip. */
const BLOCK_BYTES = 1024 * 1024

type Options = {
  readonly source: string
  readonly signal?: AbortSignal
  /** The known state of the file; if the file differs from it, it has changed. */
  readonly found?: Pick<FoundFile, 'sizeBytes' | 'modifiedMs'> | undefined
}

/**
 * The bytes of a file that must not change until the last one has been read: if it is written to, replaced or removed
 * meanwhile, the stream fails instead of ending, so that an incomplete file is never taken for a complete one. Each chunk
 * is valid until the next one is requested.
 *
 * @throws {FileForbiddenError} terminal
 * @throws {FileUnreadableError} transient
 * @throws {FileChangedError} transient
 */
export async function* readUnchanging(
  { name, file }: { readonly name: string; readonly file: string },
  options: Options,
): AsyncGenerator<Uint8Array> {
  try {
    yield* readBlocks(name, file, options)
  } catch (error) {
    throw readError(error, name, options.source)
  }
}

async function* readBlocks(name: string, file: string, options: Options): AsyncGenerator<Uint8Array> {
  const { source, signal, found } = options
  const handle = await withTimeout(open(file, OPEN_FLAGS), { signal, late: closeLate })
  // If reading hangs, closing would hang as well.
  await using _closing = {
    [Symbol.asyncDispose]: async () => await withTimeout(handle.close(), { signal }).catch(() => {}),
  }
  const before = await withTimeout(handle.stat({ bigint: true }), { signal })
  if (!before.isFile()) throw new FileChangedError(source, name, 'it became something other than a file')
  if (found !== undefined) {
    const { size, mtimeMs } = await withTimeout(handle.stat(), { signal })
    if (size !== found.sizeBytes || mtimeMs !== found.modifiedMs)
      throw new FileChangedError(source, name, 'it was written to since it was found')
  }
  const buffer = Buffer.allocUnsafeSlow(Number(before.size < BLOCK_BYTES ? before.size + 1n : BLOCK_BYTES))
  let sizeBytes = 0n
  for (;;) {
    if (signal?.aborted === true) throw new CancelledError(`reading ${name}`)
    const { bytesRead } = await withTimeout(handle.read(buffer, 0, buffer.length), { signal })
    sizeBytes += BigInt(bytesRead)
    // Bounded, since a file that is written to continuously never ends.
    if (bytesRead === 0 || sizeBytes > before.size) break
    yield buffer.subarray(0, bytesRead)
  }
  const change = await changeOf(handle, file, identityOf(before), sizeBytes)
  if (change !== undefined) throw new FileChangedError(source, name, change)
}

function closeLate(handle: FileHandle): void {
  handle.close().catch(() => {})
}

type Identity = { readonly inode: bigint; readonly sizeBytes: bigint; readonly modifiedNs: bigint }

/** How a file has changed since it was opened, as text; undefined if it has not. */
async function changeOf(
  handle: FileHandle,
  file: string,
  before: Identity,
  readBytes: bigint,
): Promise<string | undefined> {
  const after = identityOf(await withTimeout(handle.stat({ bigint: true })))
  if (after.sizeBytes !== before.sizeBytes) return `its size went from ${before.sizeBytes} to ${after.sizeBytes} bytes`
  if (after.modifiedNs !== before.modifiedNs) return 'it was written to'
  if (readBytes !== before.sizeBytes) return `${readBytes} of its ${before.sizeBytes} bytes could be read`
  const named = await withTimeout(stat(file, { bigint: true })).catch(() => undefined)
  if (named === undefined) return 'it was removed'
  return named.ino === before.inode ? undefined : 'it was replaced'
}

function identityOf(stats: { readonly ino: bigint; readonly size: bigint; readonly mtimeNs: bigint }): Identity {
  return { inode: stats.ino, sizeBytes: stats.size, modifiedNs: stats.mtimeNs }
}

function readError(error: unknown, name: string, source: string): unknown {
  return systemErrorCode(error) === 'ENOENT'
    ? new FileChangedError(source, name, 'it was removed')
    : fileError(error, source, name)
}
