import { Semaphore } from '@cinelake/core'
import { isMissing, statusOf } from './errors.ts'
import { pacedBody } from './pace.ts'
import type { AdlsContainer } from './container.ts'
import type { HashedBlock } from './hashing.ts'

/** Blocks sent one at a time after an answer was lost: a dropped connection is likely to drop again. */
const ALONE_AFTER_LOSS = 16

type Staging = { readonly container: AdlsContainer; readonly path: string; readonly signal: AbortSignal | undefined }

/**
 * Blocks of an object in flight: one at any time, and more within the window while the lake grants permits. After a
 * block whose answer was lost they are sent one at a time for a while, retries first.
 */
export function createStaging({ container, path, signal }: Staging) {
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
export type Before = { readonly etag: string | undefined; readonly blocks: ReadonlySet<string> }

export async function lookBefore(
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
