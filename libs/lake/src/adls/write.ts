import { Semaphore } from '@cinelake/core'
import { createHash, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { lakeErrors, LakeUnavailableError } from '../errors.ts'
import type { Written } from '../lake.ts'
import { markingFailure } from '../durable-file.ts'
import { blockId, blockSizeAt, type Cut, cutIntoBlocks, MAX_BLOCKS, md5Of } from './blocks.ts'
import { type AdlsContainer, look, SHA256, type Throttle, WRITE_ID } from './container.ts'
import { isMissing, isTaken, statusOf, storageErrorCode } from './errors.ts'
import type { ContentHash, HashedBlock } from './hashing.ts'

/** Blocks of one object whose digests are computed while others are in flight: as many as may be answered at once. */
const HASHED_AHEAD = 2

type Outcome = 'created' | 'exists'

/** The content to be written, and its path. */
export type Target = {
  readonly path: string
  /** Whether an existing object stays. */
  readonly ifAbsent: boolean
  readonly signal: AbortSignal | undefined
  /** Bytes, where known: then no larger buffers are allocated. */
  readonly sizeBytes?: number
}

type Writing = Target & { readonly container: AdlsContainer; readonly writeId: string }

/** One request that creates or replaces an object of at most one block. */
export async function putWhole(container: AdlsContainer, target: Target, bytes: Buffer): Promise<Outcome> {
  return await putBytes({ ...target, container, writeId: randomUUID() }, bytes, sha256Of(bytes))
}

/**
 * Streams content into an object. Content of at most one block is one request. Otherwise blocks are put concurrently,
 * and the commit of their list makes them an object in one step; blocks of a failed attempt stay for a week, and the
 * next attempt sends only the missing ones.
 */
export async function writeStream(
  container: AdlsContainer,
  target: Target,
  content: AsyncIterable<Uint8Array>,
): Promise<Written & { readonly outcome: Outcome }> {
  const writing: Writing = { ...target, container, writeId: randomUUID() }
  const { signal, sizeBytes: known = Infinity } = target
  const buffers = createBuffers()
  const sizeAt = (number: number) => Math.min(blockSizeAt(number, container.tuning), Math.max(known, 1))
  await using sender = createSender(writing, buffers.giveBack)
  let hash: ContentHash | undefined
  const ahead: { readonly cut: Cut; readonly hashed: Promise<HashedBlock> }[] = []
  const sendFirst = async () => {
    const first = ahead.shift()
    if (first !== undefined) await sender.send(first.cut, await first.hashed)
  }
  let sizeBytes = 0
  try {
    for await (const cut of cutIntoBlocks(markingFailure(content), sizeAt, buffers.take)) {
      signal?.throwIfAborted()
      if (cut.isLast && cut.number === 0) return await putOnly(writing, cut.bytes)
      sizeBytes += cut.bytes.byteLength
      hash ??= container.hashing.content()
      const hashed = hash.add(cut.buffer, cut.bytes.byteLength)
      // Errors surface in order, if at all.
      hashed.catch(() => {})
      ahead.push({ cut, hashed })
      // While the digests of these blocks are computed, the blocks before them are sent.
      if (ahead.length > HASHED_AHEAD) await sendFirst()
    }
    if (hash === undefined) throw new Error('content ended without a last block')
    while (ahead.length > 0) await sendFirst()
    const sha256 = await hash.end()
    return { sizeBytes, sha256, outcome: await sender.commit(sha256) }
  } finally {
    hash?.[Symbol.dispose]()
  }
}

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

async function putOnly(writing: Writing, bytes: Buffer): Promise<Written & { readonly outcome: Outcome }> {
  const sha256 = sha256Of(bytes)
  return { sizeBytes: bytes.byteLength, sha256, outcome: await putBytes(writing, bytes, sha256) }
}

/** A pool of buffers. */
function createBuffers() {
  const free: Buffer[] = []
  return {
    take: (bytes: number): Buffer => {
      const found = free.pop()
      // Block sizes grow rarely: then the smaller buffers are released.
      return found !== undefined && found.length >= bytes ? found : Buffer.allocUnsafeSlow(bytes)
    },
    giveBack: (buffer: Buffer) => void free.push(buffer),
  }
}

/** Sends the blocks of one object. */
function createSender(writing: Writing, giveBack: (buffer: Buffer) => void) {
  const { container, path, ifAbsent, signal } = writing
  const ids: string[] = []
  let before: Before | undefined
  const staging = createStaging(writing)

  return {
    async send({ number, offset }: Cut, block: HashedBlock) {
      if (number >= MAX_BLOCKS)
        throw lakeErrors.LAKE_PATH_INVALID(path, `expected at most ${MAX_BLOCKS} blocks of content`)
      before ??= await lookBefore(container, path, signal)
      const id = blockId(offset, block.md5)
      ids.push(id)
      // The existing object stays: the remaining content is only counted.
      const isNeeded = !before.blocks.has(id) && !(ifAbsent && before.etag !== undefined)
      if (isNeeded) await staging.start(id, block, giveBack)
      else giveBack(block.buffer)
    },

    async commit(sha256: string): Promise<Outcome> {
      await staging.end()
      if (ifAbsent && before?.etag !== undefined) return await outcomeWhenTaken(writing)
      return await commitBlocks(writing, ids, sha256, before?.etag)
    },

    [Symbol.asyncDispose]: async () => await staging[Symbol.asyncDispose](),
  }
}

async function commitBlocks(
  writing: Writing,
  ids: string[],
  sha256: string,
  etagBefore: string | undefined,
): Promise<Outcome> {
  const { container, path, signal } = writing
  try {
    const options = markOf(writing, sha256)
    await container.transfer(signal, (abortSignal) =>
      container.blob(path).commitBlockList(ids, { ...options, abortSignal }),
    )
    return 'created'
  } catch (error) {
    if (writing.ifAbsent && isTaken(error)) return await outcomeWhenTaken(writing)
    if (storageErrorCode(error) === 'InvalidBlockList') return await outcomeWhenOvertaken(writing, etagBefore, error)
    throw error
  }
}

async function putBytes(writing: Writing, bytes: Buffer, sha256: string): Promise<Outcome> {
  const { container, path, signal } = writing
  try {
    await container.transfer(signal, (abortSignal) =>
      container.blob(path).upload(pacedBody(bytes, container.throttle), bytes.byteLength, {
        ...markOf(writing, sha256),
        transactionalContentMD5: md5Of(bytes),
        abortSignal,
      }),
    )
    return 'created'
  } catch (error) {
    if (writing.ifAbsent && isTaken(error)) return await outcomeWhenTaken(writing)
    throw error
  }
}

function markOf({ writeId, ifAbsent }: Writing, sha256: string) {
  return { metadata: { [WRITE_ID]: writeId, [SHA256]: sha256 }, conditions: ifAbsent ? { ifNoneMatch: '*' } : {} }
}

/** An object exists: possibly created by this very write, whose answer was lost. */
async function outcomeWhenTaken({ container, path, writeId, signal }: Writing): Promise<Outcome> {
  const found = await look(container, path, signal)
  if (found === 'folder') throw lakeErrors.LAKE_PATH_INVALID(path, 'there is a folder of that name')
  return found?.writeId === writeId ? 'created' : 'exists'
}

/**
 * Another writer's commit at the same path discards all blocks that it does not name, including this write's. If that
 * happens during this write, it counts as completed just before the other, which has replaced it.
 */
async function outcomeWhenOvertaken(
  writing: Writing,
  etagBefore: string | undefined,
  cause: unknown,
): Promise<Outcome> {
  const { container, path, writeId, ifAbsent, signal } = writing
  const found = await look(container, path, signal)
  if (found !== undefined && found !== 'folder' && found.etag !== etagBefore) {
    return ifAbsent && found.writeId !== writeId ? 'exists' : 'created'
  }
  throw new LakeUnavailableError(
    `write ${path}`,
    'InvalidBlockList',
    container.location,
    'blocks of this write were taken away by another writer: the next attempt sends them again',
    { cause },
  )
}

/** Blocks sent one at a time after an answer was lost: a dropped connection is likely to drop again. */
const ALONE_AFTER_LOSS = 16

type Staging = { readonly container: AdlsContainer; readonly path: string; readonly signal: AbortSignal | undefined }

/**
 * Blocks of an object in flight: one at any time, and more within the window while the lake grants permits. After a
 * block whose answer was lost they are sent one at a time for a while, retries first.
 */
function createStaging({ container, path, signal }: Staging) {
  const stop = new AbortController()
  const stopped = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])
  const inFlight = new Set<Promise<void>>()
  let inFlightBytes = 0
  let ownIsFree = true
  let alone = 0
  let failure: { readonly error: unknown } | undefined

  const takeOwn = (): Disposable | undefined => {
    if (!ownIsFree) return undefined
    ownIsFree = false
    return { [Symbol.dispose]: () => void (ownIsFree = true) }
  }
  const leave = async (bytes: number): Promise<Disposable> => {
    for (;;) {
      if (failure !== undefined) throw failure.error
      const fits = inFlight.size === 0 || (alone === 0 && inFlightBytes + bytes <= container.tuning.windowBytes)
      const permit = fits ? (takeOwn() ?? container.tryPermit()) : undefined
      if (permit !== undefined) return permit
      await Promise.race(inFlight)
    }
  }
  const again = new Semaphore(1)
  const onLost = () => void (alone = ALONE_AFTER_LOSS)
  const stage = async (id: string, block: HashedBlock, giveBack: (buffer: Buffer) => void) => {
    try {
      const tries = await stageBlock({ container, path, signal: stopped, again, onLost }, { id, ...block })
      // A socket that was abandoned may still reference the buffer that it was to send.
      if (tries === 1) giveBack(block.buffer)
    } catch (error) {
      failure ??= { error }
    }
  }

  return {
    /** Resolves when the block is in flight; a failure is reported by the next call. */
    async start(id: string, block: HashedBlock, giveBack: (buffer: Buffer) => void): Promise<void> {
      const sizeBytes = block.bytes.byteLength
      const permit = await leave(sizeBytes)
      inFlightBytes += sizeBytes
      alone = Math.max(alone - 1, 0)
      const sending = stage(id, block, giveBack).finally(() => {
        permit[Symbol.dispose]()
        inFlightBytes -= sizeBytes
        inFlight.delete(sending)
      })
      inFlight.add(sending)
    },
    async end(): Promise<void> {
      await Promise.all(inFlight)
      if (failure !== undefined) throw failure.error
    },
    async [Symbol.asyncDispose]() {
      // After one block failed, blocks that still arrive need not be sent by the next attempt.
      if (failure === undefined) stop.abort()
      await Promise.all(inFlight)
    },
  }
}

type StagingOne = Staging & {
  readonly signal: AbortSignal
  /** For blocks that are sent again. */
  readonly again: Semaphore
  readonly onLost: () => void
}

/**
 * Sends one block. Without an answer the block may have arrived: then the service is asked before it is sent again.
 * @returns number of attempts
 */
async function stageBlock(
  { container, path, signal, again, onLost }: StagingOne,
  { id, bytes, md5 }: HashedBlock & { readonly id: string },
): Promise<number> {
  let isLost = false
  let tries = 0
  await container.transferOnce(signal, async (abortSignal) => {
    tries += 1
    const send = async () => {
      if (isLost && (await lookBefore(container, path, abortSignal)).blocks.has(id)) return
      abortSignal.throwIfAborted()
      const options = { transactionalContentMD5: md5, abortSignal }
      await container.blobOnce(path).stageBlock(id, pacedBody(bytes, container.throttle), bytes.byteLength, options)
    }
    try {
      await (isLost ? again.run(send) : send())
    } catch (error) {
      if (statusOf(error) === undefined) {
        isLost = true
        onLost()
      }
      throw error
    }
  })
  return tries
}

/** The object at a path before anything was sent there. */
type Before = { readonly etag: string | undefined; readonly blocks: ReadonlySet<string> }

async function lookBefore(
  { call, blob }: AdlsContainer,
  path: string,
  signal: AbortSignal | undefined,
): Promise<Before> {
  try {
    const found = await call(signal, (abortSignal) => blob(path).getBlockList('uncommitted', { abortSignal }))
    return { etag: found.etag, blocks: new Set(found.uncommittedBlocks?.map(({ name }) => name)) }
  } catch (error) {
    if (isMissing(error)) return { etag: undefined, blocks: new Set() }
    throw error
  }
}

/** Bytes sent at once where the rate is limited: small compared to a slow connection's bytes per second. */
const PIECE_BYTES = 64 * 1024

/**
 * The body of a request, at the permitted rate. Created for each attempt, so that retries count against the limit as
 * well; aborting the request destroys the stream, which ends the wait.
 */
function pacedBody(bytes: Buffer, throttle: Throttle | undefined): Buffer | (() => NodeJS.ReadableStream) {
  if (throttle === undefined) return bytes
  return () => {
    const stop = new AbortController()
    const body = Readable.from(pieces(bytes, throttle, stop.signal), { objectMode: false })
    return body.once('close', () => stop.abort())
  }
}

async function* pieces(bytes: Buffer, throttle: Throttle, signal: AbortSignal): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    const piece = bytes.subarray(at, at + PIECE_BYTES)
    await throttle(piece.length, signal)
    // A copy: the buffer is reused when the request has ended, and the socket may still reference it.
    yield Buffer.from(piece)
  }
}
