import type { BlockBlobClient, ContainerClient } from '@azure/storage-blob'
import type { DataLakeFileSystemClient } from '@azure/storage-file-datalake'
import { Semaphore } from '@cinelake/core'
import { codeOf, isMissing, statusOf } from './errors.ts'
import type { Hashing } from './hashing.ts'
import type { LakeObject } from '../lake.ts'

const MIB = 1024 * 1024

/** How the lake uses the network and memory. */
export type AdlsTuning = {
  /** Bytes of the first blocks of an upload. Azure counts each 4 MiB of a write as one operation: smaller ones cost more. */
  readonly blockBytes: number
  /**
   * Bytes of one object that are on their way at once, unless a single block is larger: what a line that is cut costs at
   * most. Small blocks within it keep a line busy while answers are awaited.
   */
  readonly windowBytes: number
  /** Blocks of one size; then the size doubles, so that 50,000 blocks are enough for 2.4 TiB. */
  readonly blocksPerSize: number
  /** Blocks and ranges in flight in the lake as a whole, besides one for each object that is read or written. */
  readonly parallel: number
  /** Bytes of one range of a download. Azure makes a checksum of at most 4 MiB. Source: learn.microsoft.com/…/get-blob */
  readonly rangeBytes: number
  /** Paths in one page of a listing. */
  readonly pageSize: number
  /** Tries of one call that fails in a way that passes: by the SDK, and by the lake for what the SDK does not retry. */
  readonly maxTries: number
  readonly retryDelayMs: number
  readonly maxRetryDelayMs: number
  /** Milliseconds for one small call, with all tries of the SDK. */
  readonly callTimeoutMs: number
  /** Milliseconds for a call that carries a block or a range: enough for lines of 0.6 Mbit/s. */
  readonly transferTimeoutMs: number
}

export const DEFAULT_TUNING: AdlsTuning = {
  blockBytes: 4 * MIB,
  windowBytes: 8 * MIB,
  blocksPerSize: 8000,
  parallel: 4,
  rangeBytes: 4 * MIB,
  pageSize: 5000,
  maxTries: 6,
  retryDelayMs: 800,
  maxRetryDelayMs: 20_000,
  callTimeoutMs: 60_000,
  transferTimeoutMs: 600_000,
}

/** Resolves when so many bytes may leave this machine. Rejects when the signal is aborted. */
export type Throttle = (bytes: number, signal?: AbortSignal) => Promise<void>

/** Runs one call to Azure: see `calls.ts`. */
export type Call = <T>(signal: AbortSignal | undefined, call: (signal: AbortSignal) => Promise<T>) => Promise<T>

/** A lake in Azure, as the parts of the adapter see it. */
export type AdlsContainer = {
  readonly location: string
  readonly call: Call
  /** For calls that carry content. */
  readonly transfer: Call
  /** For calls of `blobOnce` that carry content: tries again after all that passes. */
  readonly transferOnce: Call
  readonly tuning: AdlsTuning
  /** A permit for one more block or range in flight; undefined when there is none now. */
  readonly tryPermit: () => Disposable | undefined
  readonly fileSystem: DataLakeFileSystemClient
  /** Folder of the lake in the container, '' or ending in `/`. */
  readonly root: string
  readonly blob: (path: string) => BlockBlobClient
  /** Whose SDK tries nothing again. */
  readonly blobOnce: (path: string) => BlockBlobClient
  readonly hashing: Hashing
  /** Holds up what is sent; undefined where the line is ours alone. */
  readonly throttle?: Throttle | undefined
}

type Containers = { readonly container: ContainerClient; readonly containerOnce: ContainerClient }

export function openContainer(
  parts: Omit<AdlsContainer, 'blob' | 'blobOnce' | 'tryPermit'> & Containers,
): AdlsContainer {
  const { container, containerOnce, ...rest } = parts
  const permits = new Semaphore(rest.tuning.parallel)
  return {
    ...rest,
    blob: (path) => container.getBlockBlobClient(`${rest.root}${path}`),
    blobOnce: (path) => containerOnce.getBlockBlobClient(`${rest.root}${path}`),
    tryPermit: () => permits.tryAcquire(),
  }
}

/** An object with what tells its versions apart. */
export type Version = LakeObject & {
  readonly etag: string
  /** Which write of this adapter made it; undefined for those of other programs. */
  readonly writeId: string | undefined
}

/** The name, in an object's metadata, of the write that made it: by this a writer knows its own after a lost answer. */
export const WRITE_ID = 'cinelakewrite'

/** The name, in an object's metadata, of the SHA-256 of its bytes, lowercase hex. */
export const SHA256 = 'cinelakesha256'

/** @returns undefined where there is nothing; `folder` where there is a folder */
export async function look(
  { blob, call }: Pick<AdlsContainer, 'blob' | 'call'>,
  path: string,
  signal: AbortSignal | undefined,
): Promise<Version | 'folder' | undefined> {
  try {
    const found = await call(signal, (abortSignal) => blob(path).getProperties({ abortSignal }))
    if (isFolder(found.metadata)) return 'folder'
    const sha256 = found.metadata?.[SHA256]
    return {
      path,
      sizeBytes: found.contentLength ?? 0,
      modifiedAt: found.lastModified ?? new Date(0),
      ...(sha256 !== undefined && { sha256 }),
      etag: found.etag ?? '',
      writeId: found.metadata?.[WRITE_ID],
    }
  } catch (error) {
    // A path below an object has nothing, whatever Azure calls it.
    if (isMissing(error) || (statusOf(error) === 409 && codeOf(error) === 'PathConflict')) return undefined
    throw error
  }
}

/** Azure shows a directory as an empty blob with this mark. Source: learn.microsoft.com/…/data-lake-storage-known-issues */
export function isFolder(metadata: Record<string, string> | undefined): boolean {
  return metadata?.['hdi_isfolder'] === 'true'
}
