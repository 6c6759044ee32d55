import { createHash, hash } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { constants, zstdCompress, zstdDecompress } from 'node:zlib'
import { type Clock, type Log, Semaphore, sha256 } from '@cinelake/core'
import type { Records } from '@cinelake/json-rows'
import { type Lake, LakeObjectMissingError } from '@cinelake/lake'
import { z } from 'zod'
import type { RestPagination } from '../config/index.ts'
import type { DatasetRequest } from '../http/dataset-request.ts'
import type { Answer } from '../http/send-request.ts'
import type { PageSeries } from '../pagination/read-pages.ts'
import { PAGE_HEADERS } from '../pagination/recognise.ts'
import { LandingTakenError, StaleAnswersError } from '../errors.ts'
import type { SecretMask } from './secret-mask.ts'

/*
 * An answer is stored as a skippable frame with its head, then a Zstandard frame with the body, so that every tool that
 * unpacks Zstandard gives the body (RFC 8878, 3.1.2). The skippable frame's content is the SHA-256 of the rest, then the head as
 * JSON. An object has one answer, or several consecutive ones, if they came while the one before was being written.
 */
const SKIPPABLE_MAGIC = 0x184d2a50
const PREFIX_BYTES = 8
const DIGEST_BYTES = 32

/** Fast, and nearly as small as higher levels make JSON. */
const COMPRESSION = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }

/** Milliseconds, at its use. A table of which one half is a day older than the other never existed at the API. */
const MAX_AGE_MS = 24 * 3_600_000

/** Answers and bytes of all series that may wait for the lake while further pages are requested. */
const MAX_WAITING = 64
const MAX_WAITING_BYTES = 8 * 1024 * 1024

/** Objects of all series that are written at once. */
const MAX_WRITES = 8

/** Milliseconds between two writes of answers that come faster: what a crash loses, and what keeps objects few. */
const WRITE_INTERVAL_MS = 50

const Head = z.object({
  format: z.literal(1),
  /** Name of an object that begins with this answer. */
  name: z.string(),
  at: z.iso.datetime(),
  status: z.int(),
  /** With the names of the address's secrets for their values. */
  url: z.string(),
  /** Those that pages and formats depend on; never cookies. */
  headers: z.array(z.tuple([z.string(), z.string()])),
  /** Of the body, unpacked and packed. */
  sizeBytes: z.int().min(0),
  packedBytes: z.int().min(0),
  /** Texts that stand for secrets, in the body, the address and the headers. */
  masks: z.array(z.string()),
})
type Head = z.infer<typeof Head>

export type KeptAnswersTask = {
  readonly lake: Pick<Lake, 'read' | 'putIfAbsent' | 'delete'>
  /** `raw/<pipeline>/api/<source>/<dataset>/<window>.answers` */
  readonly folder: string
  /** Names of the objects that are there. */
  readonly names: ReadonlySet<string>
  /** Digest of all that the requests depend on: answers to other requests are not used. */
  readonly of: string
  readonly pagination: RestPagination
  readonly mask: SecretMask
  /** Whether all that is in these records may land. From the first answer of which this is not true, none is kept. */
  readonly mayKeep: (records: Records) => boolean
  /**
   * Waits for each answer to be in the lake, and takes another worker's answer in place of its own. Otherwise another worker's
   * answer is a LandingTakenError.
   */
  readonly adopts: boolean
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
}

/** The answers of an API as received, in the lake: what landed is made from them, and an attempt continues after them. */
export interface KeptAnswers {
  /** Answers that a previous attempt kept, and that this one uses. */
  readonly keptCount: number
  /** Answers of this attempt. */
  readonly askedCount: number
  /**
   * The pages of a dataset, or those of one of its parents. A page throws StaleAnswersError (transient) where a kept answer
   * is too old to be used.
   * @param name digits that sort before its pages; may be empty
   */
  series(name: string, of?: string): PageSeries
  /**
   * Resolves when all answers are in the lake.
   * @throws {LandingTakenError} transient
   */
  drain(): Promise<void>
  /** Removes the answers that do not belong to these pages. @returns the facts of the others, for the manifest */
  finish(): Promise<{ readonly folder: string; readonly count: number; readonly sizeBytes: number }>
}

/** Whether answers to requests of this digest are there. */
export function areBegun(names: ReadonlySet<string>, of: string): boolean {
  return names.values().some((name) => name.includes(`-${of.slice(0, 8)}-`))
}

/**
 * Objects are named by the number of their first page and a digest of its request and of all answers before it. So answers
 * that two workers got never end up in one file, unless the later was requested after the earlier was kept.
 */
export function openKeptAnswers(task: KeptAnswersTask): KeptAnswers {
  const { lake, folder, of, adopts, clock, log, signal } = task
  const names = new Set(task.names)
  /** Objects whose answers are used. */
  const used = new Set<string>()
  /** Answers that were read together with those before them. */
  const ahead = new Map<string, Buffer>()
  const writing = new Set<Promise<void>>()
  const draining = Promise.withResolvers<void>()
  let broken: unknown
  let keptCount = 0
  let askedCount = 0
  let sizeBytes = 0
  let isClosed = false
  let isContinued = false
  const writes = new Semaphore(MAX_WRITES)
  let waitingCount = 0
  let waitingBytes = 0

  const throwIfBroken = () => {
    if (broken !== undefined) throw broken
  }
  const kept = async (name: string, reveal: Reveal): Promise<Kept | undefined> => {
    const isObject = names.delete(name)
    if (isObject) {
      for (const [each, answer] of answersIn(await objectAt(task, name))) ahead.set(each, answer)
      used.add(name)
    }
    const bytes = ahead.get(name)
    ahead.delete(name)
    const found = bytes && (await unpacked(bytes, task.mask, reveal))
    if (found !== undefined || !isObject) return found
    log.info({ folder, name }, 'a kept answer is damaged or gone; it is requested again')
    used.delete(name)
    await lake.delete(`${folder}/${name}`, { signal })
    return undefined
  }
  const put = async (name: string, bytes: Buffer): Promise<boolean> => {
    using _write = await writes.acquire(signal)
    const isCreated = (await lake.putIfAbsent(`${folder}/${name}`, bytes, { signal })) === 'created'
    if (isCreated) used.add(name)
    else names.add(name)
    return isCreated
  }
  /**
   * Writes one object at a time in the background; the next call throws its error. So with a slow API each answer is in the
   * lake before the next one arrives, and a fast API does not wait for the lake.
   */
  const createQueue = () => {
    let waiting: Packed[] = []
    let running: Promise<void> | undefined
    const writeAll = async () => {
      try {
        for (;;) {
          const [first, ...others] = waiting
          waiting = []
          if (first === undefined || broken !== undefined) return
          const bytes = Buffer.concat([first, ...others].map(({ object }) => object))
          if (!(await put(first.name, bytes))) throw new LandingTakenError(`${folder}/${first.name}`)
          waitingCount -= 1 + others.length
          waitingBytes -= bytes.length
          await Promise.race([setTimeout(WRITE_INTERVAL_MS), draining.promise])
        }
      } catch (error) {
        broken ??= error
      } finally {
        // In the same turn in which nothing waits any more, so that what comes then is not left waiting.
        running = undefined
      }
    }
    return async (packed: Packed) => {
      waiting.push(packed)
      waitingCount += 1
      waitingBytes += packed.object.length
      const own = (running ??= writeAll())
      writing.add(own)
      void own.then(() => writing.delete(own))
      if (waitingCount >= MAX_WAITING || waitingBytes >= MAX_WAITING_BYTES) await own
    }
  }

  return {
    get keptCount() {
      return keptCount
    },
    get askedCount() {
      return askedCount
    },
    series(prefix, ofSeries = '') {
      const putLater = createQueue()
      let link = sha256(`${of} ${ofSeries}`)
      let number = 0
      const next = ({ digest, packedBytes }: Facts) => {
        link = sha256(`${link} ${digest}`)
        sizeBytes += packedBytes
      }
      return async (request, { ask, parse, hide, reveal }) => {
        throwIfBroken()
        number += 1
        const page = `${prefix}${String(number).padStart(8, '0')}`
        const name = `${page}-${of.slice(0, 8)}-${sha256(`${link} ${request}`).slice(0, 16)}.zst`
        for (;;) {
          const found = await kept(name, reveal)
          if (found !== undefined) {
            if (clock().getTime() - found.at > MAX_AGE_MS) throw new StaleAnswersError(folder)
            const parsed = await parse(found.answer)
            keptCount += 1
            next(found)
            return { ...parsed, bodyDigest: found.bodyDigest }
          }
          if (!isContinued && task.names.size > 0) {
            isContinued = true
            log.info({ folder, pageCount: keptCount }, 'reading continues after the answers that were kept')
          }
          const answer = await ask()
          // Packed by another thread while this one parses it.
          const early = isClosed ? undefined : frameOf(answer, hide(answer.url), task)
          // An error of parsing comes first.
          early?.catch(() => {})
          const parsed = await parse(answer)
          if (!task.mayKeep(parsed.records)) isClosed = true
          const framed = await early
          if (framed === undefined || isClosed) {
            askedCount += 1
            return { ...parsed, bodyDigest: hash('sha256', answer.body) }
          }
          const packed = packedOf(name, answer.status, framed, task)
          if (!adopts) await putLater(packed)
          else if (!(await put(name, packed.object))) continue
          askedCount += 1
          next(packed)
          return { ...parsed, bodyDigest: packed.bodyDigest }
        }
      }
    },
    async drain() {
      draining.resolve()
      await Promise.all(writing)
      throwIfBroken()
    },
    async finish() {
      for (const name of task.names) if (!used.has(name)) await lake.delete(`${folder}/${name}`, { signal })
      return { folder, count: keptCount + askedCount, sizeBytes }
    },
  }
}

/** Puts the secrets of the target's address where their names are. */
type Reveal = DatasetRequest['reveal']

type Facts = {
  /** Bytes of head and body in the lake. */
  readonly packedBytes: number
  /** Of head and body. */
  readonly digest: string
  /** Of the body, as it is packed. */
  readonly bodyDigest: string
}
type Packed = Facts & { readonly name: string; readonly object: Buffer }
type Kept = Facts & { readonly answer: Answer; readonly at: number }

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

/** A body in its frame, and the parts of its head that come with it. */
type Framed = Pick<Head, 'url' | 'headers' | 'sizeBytes' | 'masks'> & { readonly frame: Buffer }

async function frameOf(
  { headers, body }: Answer,
  address: string,
  { mask, pagination }: KeptAnswersTask,
): Promise<Framed> {
  const names = new Set(['content-type', ...PAGE_HEADERS, ...ownHeaders(pagination)])
  const sent = [...headers].filter(([name]) => names.has(name))
  const told = mask.hide([address, ...sent.map(([, value]) => value)], body)
  const sizeBytes = told.body.byteLength
  const frame = await compress(told.body, { ...COMPRESSION, pledgedSrcSize: sizeBytes })
  const [url = '', ...values] = told.texts
  return { url, headers: sent.map(([name], index) => [name, values[index] ?? '']), sizeBytes, masks: told.masks, frame }
}

function packedOf(name: string, status: number, { frame, ...framed }: Framed, { clock }: KeptAnswersTask): Packed {
  const head: Head = {
    format: 1,
    name,
    at: clock().toISOString(),
    status,
    packedBytes: frame.byteLength,
    ...framed,
  }
  const text = Buffer.from(JSON.stringify(head))
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix.writeUInt32LE(SKIPPABLE_MAGIC, 0)
  prefix.writeUInt32LE(DIGEST_BYTES + text.length, 4)
  const digest = createHash('sha256').update(text).update(frame).digest()
  const object = Buffer.concat([prefix, digest, text, frame])
  const bodyDigest = hash('sha256', frame)
  return { name, object, packedBytes: object.length, digest: digest.toString('hex'), bodyDigest }
}

function ownHeaders(pagination: RestPagination): string[] {
  return pagination.type === 'cursor' && pagination.header !== undefined ? [pagination.header.toLowerCase()] : []
}

/** The bytes of an object; empty if another worker has removed it. */
async function objectAt({ lake, folder, signal }: KeptAnswersTask, name: string): Promise<Buffer> {
  const blocks: Uint8Array[] = []
  try {
    for await (const block of lake.read(`${folder}/${name}`, { signal })) blocks.push(block)
  } catch (error) {
    if (!(error instanceof LakeObjectMissingError)) throw error
  }
  return Buffer.concat(blocks)
}

/** The answers in an object by name, as far as they can be told apart. */
function* answersIn(object: Buffer): Generator<[name: string, answer: Buffer]> {
  for (let rest = object; rest.length > 0;) {
    const { head, frame = 0 } = headOf(rest)
    if (head === undefined) return
    const end = frame + head.packedBytes
    yield [head.name, rest.subarray(0, end)]
    rest = rest.subarray(end)
  }
}

/** The head of an answer, and where its frame begins; none if they are damaged, incomplete, or of another version. */
function headOf(answer: Buffer): { readonly head?: Head; readonly frame?: number } {
  const begin = PREFIX_BYTES + DIGEST_BYTES
  if (answer.length < begin || answer.readUInt32LE(0) !== SKIPPABLE_MAGIC) return {}
  const frame = PREFIX_BYTES + answer.readUInt32LE(4)
  try {
    return { head: Head.parse(JSON.parse(answer.toString('utf8', begin, frame))), frame }
  } catch {
    return {}
  }
}

/** @returns undefined if the answer is damaged or incomplete */
async function unpacked(answer: Buffer, mask: SecretMask, reveal: Reveal): Promise<Kept | undefined> {
  const begin = PREFIX_BYTES + DIGEST_BYTES
  const { head, frame: at = 0 } = headOf(answer)
  const digest = hash('sha256', answer.subarray(begin))
  if (head === undefined || digest !== answer.toString('hex', PREFIX_BYTES, begin)) return undefined
  const { status, url, headers, sizeBytes, masks } = head
  const frame = answer.subarray(at)
  const packed = await decompress(frame, { maxOutputLength: Math.max(sizeBytes, 1) })
  const told = await mask.reveal([url, ...headers.map(([, value]) => value)], packed, masks)
  const [address = '', ...values] = told.texts
  const sent = headers.map(([name], index): [string, string] => [name, values[index] ?? ''])
  return {
    answer: { status, url: reveal(address), headers: new Headers(sent), body: told.body },
    at: Date.parse(head.at),
    packedBytes: answer.length,
    digest,
    bodyDigest: hash('sha256', frame),
  }
}

/** The names of the objects in a folder, without it. */
export async function namesIn(lake: Pick<Lake, 'list'>, folder: string, signal: AbortSignal): Promise<Set<string>> {
  const names = new Set<string>()
  for await (const { path } of lake.list(folder, { signal })) names.add(path.slice(folder.length + 1))
  return names
}

/** Removes what is in a folder. Best effort: what remains does no harm. */
export async function removeFolder(
  { lake, folder, log }: { readonly lake: Pick<Lake, 'list' | 'delete'>; readonly folder: string; readonly log: Log },
  signal: AbortSignal,
): Promise<void> {
  try {
    for (const name of await namesIn(lake, folder, signal)) await lake.delete(`${folder}/${name}`, { signal })
  } catch (error) {
    log.warn({ folder, err: error }, 'pages that are not needed any more could not be removed')
  }
}
