import { type BlockBlobClient, type ContainerClient, RestError } from '@azure/storage-blob'
import type { DataLakeFileSystemClient } from '@azure/storage-file-datalake'
import { Semaphore } from '@cinelake/core'
import { setTimeout as pause } from 'node:timers/promises'
import type { LakeObject } from '../lake.ts'
import { cancelled, CutAnswer, DamagedAnswer, isMissing, statusOf, storageErrorCode } from './errors.ts'
import type { Hashing } from './hashing.ts'

const MIB = 1024 * 1024

/** Limits of network and memory use. */
export type AdlsTuning = {
  /**
   * Bytes of the first blocks of an upload. Azure counts each 4 MiB of a write as one operation: smaller ones cost
   * more.
   */
  readonly blockBytes: number
  /**
   * Bytes of one object in flight at once, unless a single block is larger: the most that a dropped connection costs.
   * Several small blocks keep the connection busy while answers are pending.
   */
  readonly windowBytes: number
  /** Number of blocks of one size; then the size doubles, so that 50,000 blocks are enough for 2.4 TiB. */
  readonly blocksPerSize: number
  /** Blocks and ranges in flight in the whole lake, in addition to one per object that is read or written. */
  readonly parallel: number
  /**
   * Bytes of one range of a download. Azure returns a checksum for at most 4 MiB. Source:
   * learn.microsoft.com/…/get-blob
   */
  readonly rangeBytes: number
  /** Paths per page of a listing. */
  readonly pageSize: number
  /**
   * Attempts of one call that fails temporarily: by the SDK, and by the lake for errors that the SDK does not retry.
   */
  readonly maxTries: number
  readonly retryDelayMs: number
  readonly maxRetryDelayMs: number
  /** Milliseconds for one small call, with all retries of the SDK. */
  readonly callTimeoutMs: number
  /** Milliseconds for a call with a block or a range: enough at 0.6 Mbit/s. */
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

/** Waits until this many bytes may be sent (rate limit). Rejects when the signal is aborted. */
export type Throttle = (bytes: number, signal?: AbortSignal) => Promise<void>

/** Runs one call to Azure: see `calls.ts`. */
type Call = <T>(signal: AbortSignal | undefined, call: (signal: AbortSignal) => Promise<T>) => Promise<T>

/** A lake in Azure, as the modules of the adapter use it. */
export type AdlsContainer = {
  readonly location: string
  readonly call: Call
  /** For calls that carry content. */
  readonly transfer: Call
  /** For calls of `blobOnce` with content: retries after every temporary error. */
  readonly transferOnce: Call
  readonly tuning: AdlsTuning
  /** A permit for one more block or range in flight; undefined when none is free. */
  readonly tryPermit: () => Disposable | undefined
  readonly fileSystem: DataLakeFileSystemClient
  /** Folder of the lake in the container, '' or ending in `/`. */
  readonly root: string
  readonly blob: (path: string) => BlockBlobClient
  /** The client without SDK retries. */
  readonly blobOnce: (path: string) => BlockBlobClient
  readonly hashing: Hashing
  /** Rate limit of uploads; undefined where there is none. */
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

/** An object with the values that identify its version. */
export type Version = LakeObject & {
  readonly etag: string
  /** The write of this adapter that created it; undefined for objects of other programs. */
  readonly writeId: string | undefined
}

/** Metadata key of the write that created an object: a writer identifies its own object by it after a lost answer. */
export const WRITE_ID = 'cinelakewrite'

/** Metadata key of the SHA-256 of an object's bytes, lowercase hex. */
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
    // A path below an object does not exist, whatever Azure's error code is.
    if (isMissing(error) || (statusOf(error) === 409 && storageErrorCode(error) === 'PathConflict')) return undefined
    throw error
  }
}

/**
 * Azure returns a directory as an empty blob with this metadata. Source:
 * learn.microsoft.com/…/data-lake-storage-known-issues
 */
export function isFolder(metadata: Record<string, string> | undefined): boolean {
  return metadata?.['hdi_isfolder'] === 'true'
}

type Delays = Pick<AdlsTuning, 'retryDelayMs' | 'maxRetryDelayMs'>

/**
 * Makes the runner of single calls. The SDK itself retries after 500, 503 and network errors; this retries after what
 * the SDK passes on: 429, a checksum mismatch, a truncated answer (which the SDK mistakes for a cancellation by the
 * caller) and a server that does not answer at all.
 *
 * @param timeoutMs for one call with all retries of the SDK
 * @param passes which errors are temporary
 * @throws {CancelledError} the signal was aborted
 */
export function createCall(
  tuning: Delays & Pick<AdlsTuning, 'maxTries'>,
  timeoutMs: number,
  passes: (error: unknown) => boolean = isLeftBySdk,
): Call {
  return async (signal, call) => {
    for (let tries = 1; ; tries += 1) {
      if (isAborted(signal)) throw cancelled('a call to the lake', signal?.reason)
      using limit = timeLimit(timeoutMs, signal)
      try {
        return await call(limit.signal)
      } catch (error) {
        if (isAborted(signal)) throw cancelled('a call to the lake', error)
        if (tries >= tuning.maxTries || !(limit.isOver() || passes(error))) throw error
        await pause(delayBefore(error, tries, tuning), undefined, signal === undefined ? {} : { signal }).catch(
          (reason: unknown) => {
            throw cancelled('a call to the lake', reason)
          },
        )
      }
    }
  }
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true
}

function timeLimit(milliseconds: number, signal: AbortSignal | undefined) {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(), milliseconds)
  return {
    signal: signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]),
    isOver: () => controller.signal.aborted,
    [Symbol.dispose]: () => clearTimeout(timer),
  }
}

function isLeftBySdk(error: unknown): boolean {
  if (error instanceof DamagedAnswer || error instanceof CutAnswer) return true
  if (error instanceof Error && error.name === 'AbortError') return true
  if (statusOf(error) === 429) return true
  const code = storageErrorCode(error)
  return code === 'Md5Mismatch' || code === 'Crc64Mismatch' || code === RestError.PARSE_ERROR
}

/** For calls without SDK retries: also retries what the SDK would have retried. */
export function isPassing(error: unknown): boolean {
  if (isLeftBySdk(error)) return true
  const status = statusOf(error)
  return error instanceof RestError && (status === undefined || status === 408 || status >= 500)
}

/** Exponential backoff, unless the server sends a delay. */
function delayBefore(error: unknown, tries: number, { retryDelayMs, maxRetryDelayMs }: Delays): number {
  const asked = error instanceof RestError ? Number(error.response?.headers.get('retry-after')) * 1000 : NaN
  if (asked > 0) return Math.min(asked, maxRetryDelayMs)
  return tries === 1 ? 0 : Math.min(retryDelayMs * 2 ** (tries - 2), maxRetryDelayMs)
}
