import type { TokenCredential } from '@azure/core-auth'
import {
  AnonymousCredential,
  ContainerClient,
  newPipeline,
  StorageSharedKeyCredential,
  type Pipeline,
} from '@azure/storage-blob'
import { DataLakeFileSystemClient, newPipeline as newDataLakePipeline } from '@azure/storage-file-datalake'
import { Semaphore } from '@cinelake/core'
import { open, type FileHandle } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { lakeErrors, LakeObjectMissingError } from '../errors.ts'
import type { CallOptions, Lake, LakeObject, LocalFiles } from '../lake.ts'
import { checkFolder, checkPath } from '../path.ts'
import { openScratchSpace, type ScratchSpace } from '../scratch-space.ts'
import { ContentFailure } from '../durable-file.ts'
import { readAddress, type AdlsAddress } from './address.ts'
import {
  type AdlsContainer,
  type AdlsTuning,
  createCall,
  DEFAULT_TUNING,
  isPassing,
  look,
  openContainer,
  type Throttle,
  type Version,
} from './container.ts'
import { cancelled, isMissing, statusOf, translate } from './errors.ts'
import { createFileCache, type Copy, type FileCache } from './file-cache.ts'
import { createHashing } from './hashing.ts'
import { listObjects } from './listing.ts'
import { openObject } from './read.ts'
import { putWhole, writeStream, type Target } from './write.ts'

/** Bytes. The limit documented at `Lake.readText`. */
const MAX_TEXT_BYTES = 64 * 1024 * 1024

/** Objects whose properties are requested concurrently before their download. */
const LOOKS_AT_ONCE = 16
/** Milliseconds that a download waits for cache space: longer than most queries use their files. */
const WAIT_FOR_ROOM_MS = 60_000

/** Bytes read at once from a local file. */
const LOCAL_READ_BYTES = 1024 * 1024

/** Attempts to read an object that is replaced meanwhile: continuous replacement does not occur. */
const MAX_READS = 5

export type AdlsLakeOptions = {
  /** `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net[/ROOT]` */
  readonly url: string
  readonly connectionString?: string
  /** Shared access signature. */
  readonly sas?: string
  /** Called only where there is neither a key nor a signature. */
  readonly credential: () => Promise<TokenCredential>
  /** Local space for copies of objects (bounded by `limitBytes`), and for scratch directories (not bounded). */
  readonly scratch: { readonly directory: string; readonly limitBytes: number; readonly waitMs?: number }
  readonly tuning?: Partial<AdlsTuning>
  /** Limits the upload rate. */
  readonly throttle?: Throttle
}

/**
 * A data lake in Azure Data Lake Storage Gen2. Objects are written through the Blob API of the account, where one
 * request creates an object if absent, and blocks become visible when their list is committed; folders are listed
 * through the Data Lake API.
 *
 * @throws {ConfigError} terminal: the address or the connection string cannot be used
 */
export async function createAdlsLake(options: AdlsLakeOptions): Promise<Lake> {
  const address = readAddress(options.url, options)
  const tuning = { ...DEFAULT_TUNING, ...options.tuning }
  const clients = clientsOf(address, await credentialOf(address, options.credential), tuning)
  const { location, root } = address
  const [call, transfer] = [createCall(tuning, tuning.callTimeoutMs), createCall(tuning, tuning.transferTimeoutMs)]
  const transferOnce = createCall(tuning, tuning.transferTimeoutMs, isPassing)
  const calls = { call, transfer, transferOnce, throttle: options.throttle }
  const container = openContainer({ ...clients, ...calls, location, root, tuning, hashing: createHashing() })
  const base = join(resolve(options.scratch.directory), 'lake')
  try {
    const scratch = await openScratchSpace(base)
    const { limitBytes, waitMs = WAIT_FOR_ROOM_MS } = options.scratch
    const newDirectory = async () => (await scratch.directory()).directory
    return lakeAt(container, { base, scratch }, createFileCache({ limitBytes, waitMs, newDirectory }))
  } catch (error) {
    throw translate(error, { what: 'open', path: base, location })
  }
}

function lakeAt(
  container: AdlsContainer,
  { base, scratch }: { readonly base: string; readonly scratch: ScratchSpace },
  copies: FileCache,
): Lake {
  const { location } = container

  /** Validates the path, checks the signal, and translates Azure's errors. */
  const call = async <T>(
    what: string,
    path: string,
    options: CallOptions | undefined,
    run: (signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T> => {
    checkPath(path)
    const signal = options?.signal
    if (signal?.aborted === true) throw cancelled(`${what} ${path}`, signal.reason)
    try {
      return await run(signal)
    } catch (error) {
      throw failureOf(error, { what, path, location }, signal)
    }
  }
  const downloadAll = async (paths: readonly string[], options: CallOptions = {}): Promise<LocalFiles> => {
    const looks = new Semaphore(LOOKS_AT_ONCE)
    const copyOf = (path: string) =>
      looks.run(() => call('download', path, options, (signal) => copyAt(container, path, signal)))
    const take = async () => await copies.take(await Promise.all(paths.map(copyOf)), options.signal)
    try {
      return await ofOneVersion(take)
    } catch (error) {
      throw failureOf(error, { what: 'download', path: paths[0] ?? '', location }, options.signal)
    }
  }
  const target = (path: string, ifAbsent: boolean, signal: AbortSignal | undefined): Target => ({
    path,
    ifAbsent,
    signal,
  })

  return {
    location,
    localDirectories: [base],
    stat: (path, options) =>
      call('stat', path, options, async (signal) => {
        const found = await look(container, path, signal)
        return found === undefined || found === 'folder' ? undefined : objectOf(found)
      }),

    async *read(path, options = {}) {
      const { start = 0, end = Infinity, signal } = options
      const opened = await call('read', path, options, (signal) => openObject(container, { path, start, end, signal }))
      if (opened === undefined) throw new LakeObjectMissingError(path, location)
      try {
        yield* opened.content
      } catch (error) {
        throw failureOf(error, { what: 'read', path, location }, signal)
      }
    },

    readText: (path, options) =>
      call('read', path, options, (signal) => ofOneVersion(() => readText(container, path, signal))),

    putIfAbsent: (path, content, options) =>
      call('put', path, options, (signal) => putWhole(container, target(path, true, signal), Buffer.from(content))),

    put: (path, content, options) =>
      call('put', path, options, async (signal) => {
        await putWhole(container, target(path, false, signal), Buffer.from(content))
      }),

    write: (path, content, options) =>
      call('write', path, options, async (signal) => {
        const { sizeBytes, sha256 } = await writeStream(container, target(path, false, signal), content)
        return { sizeBytes, sha256 }
      }),

    writeIfAbsent: (path, content, options) =>
      call('write', path, options, (signal) => writeStream(container, target(path, true, signal), content)),

    upload: (localFile, path, options) =>
      call('upload', path, options, async (signal) => {
        await using file = await openLocal(localFile)
        const { size: sizeBytes } = await file.stat()
        await writeStream(container, { ...target(path, false, signal), sizeBytes }, bytesOfLocal(file))
      }),

    async download(path, options) {
      const held = await downloadAll([path], options)
      return { file: held.files[0] ?? '', [Symbol.asyncDispose]: () => held[Symbol.asyncDispose]() }
    },

    downloadAll,

    async scratch() {
      try {
        return await scratch.directory()
      } catch (error) {
        throw translate(error, { what: 'make a scratch directory', path: '', location })
      }
    },

    async *list(folder, options = {}) {
      const { signal, startAfter = '' } = options
      checkFolder(folder)
      if (signal?.aborted === true) throw cancelled(`list ${folder}`, signal.reason)
      try {
        yield* listObjects(container, folder, { startAfter, signal })
      } catch (error) {
        throw failureOf(error, { what: 'list', path: folder, location }, signal)
      }
    },

    delete: (path, options) => call('delete', path, options, (signal) => remove(container, path, signal)),

    async [Symbol.asyncDispose]() {
      await container.hashing[Symbol.asyncDispose]()
      await copies[Symbol.asyncDispose]()
      await scratch[Symbol.asyncDispose]()
    },
  }
}

type Doing = Parameters<typeof translate>[1]

function failureOf(error: unknown, doing: Doing, signal: AbortSignal | undefined): unknown {
  if (error instanceof ContentFailure) return error.cause
  return signal?.aborted === true ? cancelled(`${doing.what} ${doing.path}`, error) : translate(error, doing)
}

function objectOf({ etag: _etag, writeId: _writeId, ...object }: Version): LakeObject {
  return object
}

/** Retries when the object was replaced between two requests. */
async function ofOneVersion<T>(run: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await run()
    } catch (error) {
      if (statusOf(error) !== 412 || tries === MAX_READS) throw error
    }
  }
}

async function readText(
  container: AdlsContainer,
  path: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const opened = await openObject(container, { path, start: 0, end: Infinity, signal })
  if (opened === undefined) return undefined
  if (opened.sizeBytes > MAX_TEXT_BYTES) throw lakeErrors.LAKE_OBJECT_TOO_LARGE(path, opened.sizeBytes, MAX_TEXT_BYTES)
  const parts: Uint8Array[] = []
  for await (const part of opened.content) parts.push(part)
  return Buffer.concat(parts).toString()
}

/**
 * An object that exists when the call begins is deleted when it ends. If a repeated request finds nothing, the first
 * one succeeded, or another caller was faster: the object is deleted in either case.
 */
async function remove({ blob, call }: AdlsContainer, path: string, signal: AbortSignal | undefined): Promise<boolean> {
  const found = await look({ blob, call }, path, signal)
  // Deleting by the name of a folder would delete an empty folder.
  if (found === undefined || found === 'folder') return false
  await call(signal, (abortSignal) => blob(path).delete({ abortSignal })).catch((error: unknown) => {
    if (!isMissing(error)) throw error
  })
  return true
}

/** The cache entry for the object at a path. */
async function copyAt(container: AdlsContainer, path: string, signal: AbortSignal | undefined): Promise<Copy> {
  const found = await look(container, path, signal)
  if (found === undefined || found === 'folder') throw new LakeObjectMissingError(path, container.location)
  const { etag, sizeBytes } = found
  const fillOnce = async (file: string, unwanted: AbortSignal) => {
    try {
      await fill(container, found, file, unwanted)
    } catch (error) {
      // Objects that were replaced meanwhile are looked up again.
      if (statusOf(error) === 412) throw error
      throw failureOf(error, { what: 'download', path, location: container.location }, unwanted)
    }
  }
  return { key: `${etag} ${path}`, path, sizeBytes, fill: fillOnce }
}

async function fill(
  container: AdlsContainer,
  { path, etag, sizeBytes }: Version,
  file: string,
  signal: AbortSignal,
): Promise<void> {
  const opened = await openObject(container, { path, start: 0, end: sizeBytes, signal, etag })
  if (opened === undefined) throw new LakeObjectMissingError(path, container.location)
  await using handle = await open(file, 'wx')
  for await (const bytes of opened.content) await handle.writeFile(bytes)
}

async function openLocal(localFile: string): Promise<FileHandle> {
  try {
    return await open(localFile, 'r')
  } catch (error) {
    throw new ContentFailure(undefined, { cause: error })
  }
}

/** One reused buffer: the consumer has copied its content before it requests the next block. */
async function* bytesOfLocal(file: FileHandle): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(LOCAL_READ_BYTES)
  for (let bytesRead = -1; bytesRead !== 0;) {
    ;({ bytesRead } = await file.read(buffer, 0, buffer.length, null))
    yield buffer.subarray(0, bytesRead)
  }
}

type Credential = StorageSharedKeyCredential | AnonymousCredential | TokenCredential

/** The credential: the address's key, its signature (then none), or an identity. */
async function credentialOf(address: AdlsAddress, token: () => Promise<TokenCredential>): Promise<Credential> {
  if (address.accountKey !== undefined) return new StorageSharedKeyCredential(address.account, address.accountKey)
  return address.sas === undefined ? await token() : new AnonymousCredential()
}

/** The container by both of Azure's APIs; `containerOnce` has no SDK retries. */
function clientsOf(address: AdlsAddress, credential: Credential, tuning: AdlsTuning) {
  const retryOptions = {
    maxTries: tuning.maxTries,
    retryDelayInMs: tuning.retryDelayMs,
    maxRetryDelayInMs: tuning.maxRetryDelayMs,
  }
  const query = address.accountKey !== undefined || address.sas === undefined ? '' : `?${address.sas}`
  const containerOf = (pipeline: Pipeline) => new ContainerClient(`${address.blobUrl}${query}`, pipeline)
  return {
    container: containerOf(newPipeline(credential, { retryOptions })),
    containerOnce: containerOf(newPipeline(credential, { retryOptions: { maxTries: 1 } })),
    fileSystem: new DataLakeFileSystemClient(
      `${address.dfsUrl}${query}`,
      newDataLakePipeline(credential, { retryOptions }),
    ),
  }
}
