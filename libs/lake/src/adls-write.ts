import { createHash, randomUUID } from 'node:crypto'
import { blockId, blockSizeAt, cutIntoBlocks, MAX_BLOCKS, md5Of, type Cut } from './adls-blocks.ts'
import { codeOf, isMissing, isTaken } from './adls-errors.ts'
import { pacedBody } from './adls-pace.ts'
import { look, WRITE_ID, type Place } from './adls-place.ts'
import { LakePathError, LakeUnavailableError } from './errors.ts'
import type { Written } from './lake.ts'
import { markingFailure } from './unfinished-file.ts'

export type Outcome = 'created' | 'exists'

/** What is to be written where. */
export type Target = {
  readonly path: string
  /** Whether what is there has to stay. */
  readonly ifAbsent: boolean
  readonly signal: AbortSignal | undefined
  /** Bytes, where they are known: then no more memory is taken for them. */
  readonly sizeBytes?: number
}

type Writing = Target & { readonly place: Place; readonly writeId: string }

/** One request that makes an object of at most one block, or replaces one. */
export async function putWhole(place: Place, target: Target, bytes: Buffer): Promise<Outcome> {
  return await putBytes({ ...target, place, writeId: randomUUID() }, bytes, md5Of(bytes))
}

/**
 * Streams content into an object. What fits into a block is one request. Else blocks are put, several at once, and the
 * commit of their list makes them an object in one step; blocks of an attempt that failed wait for a week for the next
 * one, which sends only what is missing.
 */
export async function writeStream(
  place: Place,
  target: Target,
  content: AsyncIterable<Uint8Array>,
): Promise<Written & { readonly outcome: Outcome }> {
  const writing: Writing = { ...target, place, writeId: randomUUID() }
  const whole = { md5: createHash('md5'), sha256: createHash('sha256'), sizeBytes: 0 }
  const outcome = await sendContent(writing, content, (bytes) => {
    whole.md5.update(bytes)
    whole.sha256.update(bytes)
    whole.sizeBytes += bytes.byteLength
    return whole.md5
  })
  return { sizeBytes: whole.sizeBytes, sha256: whole.sha256.digest('hex'), outcome }
}

type Digest = { digest(): Buffer }

async function sendContent(
  writing: Writing,
  content: AsyncIterable<Uint8Array>,
  account: (bytes: Buffer) => Digest,
): Promise<Outcome> {
  const { place, signal, sizeBytes = Infinity } = writing
  const free: Buffer[] = []
  const sizeAt = (number: number) => Math.min(blockSizeAt(number, place.tuning), Math.max(sizeBytes, 1))
  const buffer = (bytes: number) => {
    const found = free.pop()
    // Blocks grow, rarely: then the small buffers are let go.
    return found !== undefined && found.length >= bytes ? found : Buffer.allocUnsafeSlow(bytes)
  }
  await using sender = createSender(writing, (returned) => free.push(returned))
  for await (const cut of cutIntoBlocks(markingFailure(content), sizeAt, buffer)) {
    signal?.throwIfAborted()
    const md5 = account(cut.bytes)
    if (cut.isLast && cut.number === 0) return await putBytes(writing, cut.bytes, md5.digest())
    await sender.send(cut)
    if (cut.isLast) return await sender.commit(md5.digest())
  }
  throw new Error('content ended without a last block')
}

/** Sends the blocks of one object. */
function createSender(writing: Writing, giveBack: (buffer: Buffer) => void) {
  const { place, path, ifAbsent, signal } = writing
  const ids: string[] = []
  let before: Before | undefined
  const staging = createStaging(writing)

  return {
    async send(cut: Cut) {
      if (cut.number >= MAX_BLOCKS) throw new LakePathError(path, `expected at most ${MAX_BLOCKS} blocks of content`)
      before ??= await lookBefore(place, path, signal)
      const md5 = md5Of(cut.bytes)
      const id = blockId(cut.offset, md5)
      ids.push(id)
      // What is there stays: the rest is only counted.
      const isNeeded = !before.blocks.has(id) && !(ifAbsent && before.etag !== undefined)
      if (isNeeded) await staging.start(cut, id, md5, giveBack)
      else giveBack(cut.buffer)
    },

    async commit(md5: Buffer): Promise<Outcome> {
      await staging.end()
      if (ifAbsent && before?.etag !== undefined) return await outcomeWhenTaken(writing)
      return await commitBlocks(writing, ids, md5, before?.etag)
    },

    [Symbol.asyncDispose]: async () => await staging[Symbol.asyncDispose](),
  }
}

/** Blocks on their way: one of this object at any time, and more while the lake has leave for them. */
function createStaging({ place, path, signal }: Writing) {
  const stop = new AbortController()
  const stopped = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])
  const inFlight = new Set<Promise<void>>()
  let failure: { readonly error: unknown } | undefined
  let ownIsFree = true

  const takeOwn = (): Disposable | undefined => {
    if (!ownIsFree) return undefined
    ownIsFree = false
    return { [Symbol.dispose]: () => void (ownIsFree = true) }
  }
  const leave = async (): Promise<Disposable> => {
    for (;;) {
      if (failure !== undefined) throw failure.error
      const permit = takeOwn() ?? place.tryPermit()
      if (permit !== undefined) return permit
      await Promise.race(inFlight)
    }
  }
  const stage = async ({ bytes }: Cut, id: string, md5: Buffer) => {
    try {
      await place.transfer(stopped, (abortSignal) =>
        place.blob(path).stageBlock(id, pacedBody(bytes, place.throttle), bytes.byteLength, {
          transactionalContentMD5: md5,
          abortSignal,
        }),
      )
    } catch (error) {
      failure ??= { error }
    }
  }

  return {
    /** Resolves when the block is on its way; a block that fails is found by the next call. */
    async start(cut: Cut, id: string, md5: Buffer, giveBack: (buffer: Buffer) => void): Promise<void> {
      const permit = await leave()
      const sending = stage(cut, id, md5).finally(() => {
        permit[Symbol.dispose]()
        inFlight.delete(sending)
        giveBack(cut.buffer)
      })
      inFlight.add(sending)
    },
    async end(): Promise<void> {
      await Promise.all(inFlight)
      if (failure !== undefined) throw failure.error
    },
    async [Symbol.asyncDispose]() {
      // After a failure of one block, those that arrive all the same need not be sent by the next attempt.
      if (failure === undefined) stop.abort()
      await Promise.all(inFlight)
    },
  }
}

/** What was at a path before anything was sent there. */
type Before = { readonly etag: string | undefined; readonly blocks: ReadonlySet<string> }

async function lookBefore({ call, blob }: Place, path: string, signal: AbortSignal | undefined): Promise<Before> {
  try {
    const found = await call(signal, (abortSignal) => blob(path).getBlockList('uncommitted', { abortSignal }))
    return { etag: found.etag, blocks: new Set(found.uncommittedBlocks?.map(({ name }) => name)) }
  } catch (error) {
    if (isMissing(error)) return { etag: undefined, blocks: new Set() }
    throw error
  }
}

async function commitBlocks(
  writing: Writing,
  ids: string[],
  blobContentMD5: Buffer,
  etagBefore: string | undefined,
): Promise<Outcome> {
  const { place, path, signal } = writing
  try {
    await place.transfer(signal, (abortSignal) =>
      place.blob(path).commitBlockList(ids, { ...markOf(writing), blobHTTPHeaders: { blobContentMD5 }, abortSignal }),
    )
    return 'created'
  } catch (error) {
    if (writing.ifAbsent && isTaken(error)) return await outcomeWhenTaken(writing)
    if (codeOf(error) === 'InvalidBlockList') return await outcomeWhenOvertaken(writing, etagBefore, error)
    throw error
  }
}

async function putBytes(writing: Writing, bytes: Buffer, md5: Buffer): Promise<Outcome> {
  const { place, path, signal } = writing
  try {
    await place.transfer(signal, (abortSignal) =>
      place.blob(path).upload(pacedBody(bytes, place.throttle), bytes.byteLength, {
        ...markOf(writing),
        transactionalContentMD5: md5,
        abortSignal,
      }),
    )
    return 'created'
  } catch (error) {
    if (writing.ifAbsent && isTaken(error)) return await outcomeWhenTaken(writing)
    throw error
  }
}

function markOf({ writeId, ifAbsent }: Writing) {
  return { metadata: { [WRITE_ID]: writeId }, conditions: ifAbsent ? { ifNoneMatch: '*' } : {} }
}

/** Something is there: perhaps by this very write, whose answer was lost on its way. */
async function outcomeWhenTaken({ place, path, writeId, signal }: Writing): Promise<Outcome> {
  const found = await look(place, path, signal)
  if (found === 'folder') throw new LakePathError(path, 'there is a folder of that name')
  return found?.writeId === writeId ? 'created' : 'exists'
}

/**
 * Another writer's commit at the same path takes away all blocks that it does not name, this write's among them. It came
 * while this write was under way: then this one counts as done just before the other, which has replaced it.
 */
async function outcomeWhenOvertaken(
  writing: Writing,
  etagBefore: string | undefined,
  cause: unknown,
): Promise<Outcome> {
  const { place, path, writeId, ifAbsent, signal } = writing
  const found = await look(place, path, signal)
  if (found !== undefined && found !== 'folder' && found.etag !== etagBefore) {
    return ifAbsent && found.writeId !== writeId ? 'exists' : 'created'
  }
  throw new LakeUnavailableError(
    `write ${path}`,
    'InvalidBlockList',
    place.location,
    'blocks of this write were taken away by another writer: the next attempt sends them again',
    { cause },
  )
}
