import { createHash, hash } from 'node:crypto'
import { promisify } from 'node:util'
import { constants, zstdCompress, zstdDecompress } from 'node:zlib'
import { Semaphore, sha256, type Clock, type Log } from '@cinelake/core'
import { LakeObjectMissingError, type Lake } from '@cinelake/lake'
import { z } from 'zod'
import type { BodyFormat } from '../bodies/read-body.ts'
import type { RestPagination } from '../config/index.ts'
import type { Answer } from '../http/send-request.ts'
import type { ParsedAnswer, PageSeries } from '../pagination/read-pages.ts'
import { PAGE_HEADERS } from '../pagination/recognise.ts'
import { LandingTakenError, StaleAnswersError } from './errors.ts'
import type { SecretMask } from './secret-mask.ts'

/*
 * An object has one answer: a skippable frame with its head, then a Zstandard frame with the body, so that every tool that
 * unpacks Zstandard gives the body (RFC 8878, 3.1.2). The skippable frame's content is a SHA-256 of all that follows it, then
 * the head as JSON.
 */
const SKIPPABLE_MAGIC = 0x184d2a50
const PREFIX_BYTES = 8
const DIGEST_BYTES = 32

/** Fast, and nearly as small as higher levels make JSON. */
const COMPRESSION = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }

/** Milliseconds. A table of which one half is a day older than the other never existed at the API. */
const MAX_AGE_MS = 24 * 3_600_000

/** Answers that are written at once, while further pages are requested. */
const WRITES_AT_ONCE = 4

const Head = z.object({
  format: z.literal(1),
  at: z.iso.datetime(),
  status: z.int(),
  url: z.string(),
  /** Those that pages and formats depend on; never cookies. */
  headers: z.array(z.tuple([z.string(), z.string()])),
  /** Of the body, unpacked. */
  sizeBytes: z.int().min(0),
  /** The body is the parsed one as JSON, without the values of fields that do not land. */
  reducedFrom: z.enum(['json', 'ndjson', 'csv', 'xml']).optional(),
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
  /** The body without the values of fields that do not land; undefined if all land. */
  readonly reduce?: ((page: ParsedAnswer) => string) | undefined
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
  /** The pages of a dataset, or those of one of its parents. @param name digits that sort before its pages; may be empty */
  series(name: string, of?: string): PageSeries
  /**
   * Resolves when all answers are in the lake.
   * @throws {LandingTakenError} transient
   * @throws {StaleAnswersError} transient: nothing was requested, and what was kept is too old
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
 * Each answer is an object of its own, named by the number of its page and a digest of its request and of all answers before
 * it. So answers that two workers got never end up in one file, unless the later was requested after the earlier was kept.
 */
export function openKeptAnswers(task: KeptAnswersTask): KeptAnswers {
  const { lake, folder, of, adopts, clock, log, signal } = task
  const names = new Set(task.names)
  const used = new Set<string>()
  const writes = new Semaphore(WRITES_AT_ONCE)
  const writing = new Set<Promise<void>>()
  let broken: unknown
  let keptCount = 0
  let askedCount = 0
  let sizeBytes = 0
  let newest = 0

  const stopIfStale = () => {
    if (askedCount === 0 && keptCount > 0 && clock().getTime() - newest > MAX_AGE_MS) throw new StaleAnswersError(folder)
  }
  const read = async (name: string): Promise<Kept | undefined> => {
    const path = `${folder}/${name}`
    try {
      const blocks: Uint8Array[] = []
      for await (const block of lake.read(path, { signal })) blocks.push(block)
      const kept = await unpacked(Buffer.concat(blocks), task.mask)
      if (kept !== undefined) return kept
      await lake.delete(path, { signal })
      log.info({ path }, 'a kept answer is damaged; it is requested again')
    } catch (error) {
      // Another worker removed it.
      if (!(error instanceof LakeObjectMissingError)) throw error
    }
    names.delete(name)
    return undefined
  }
  const put = async (name: string, bytes: Buffer): Promise<boolean> => {
    if ((await lake.putIfAbsent(`${folder}/${name}`, bytes, { signal })) === 'created') return true
    names.add(name)
    return false
  }
  /** Writes in the background; the next call throws its error. */
  const putLater = async (name: string, bytes: Buffer) => {
    const permit = await writes.acquire(signal)
    const write = async () => {
      using _ = permit
      try {
        if (!(await put(name, bytes))) throw new LandingTakenError(`${folder}/${name}`)
      } catch (error) {
        broken ??= error
      }
    }
    const running = write()
    writing.add(running)
    void running.finally(() => writing.delete(running))
  }
  const throwIfBroken = () => {
    if (broken !== undefined) throw broken
  }

  return {
    get keptCount() {
      return keptCount
    },
    get askedCount() {
      return askedCount
    },
    series(prefix, ofSeries = '') {
      let link = sha256(`${of} ${ofSeries}`)
      let number = 0
      const add = (name: string, kept: Facts) => {
        used.add(name)
        link = sha256(`${link} ${kept.digest}`)
        sizeBytes += kept.objectBytes
      }
      return async (request, ask, parse) => {
        throwIfBroken()
        number += 1
        const page = `${prefix}${String(number).padStart(8, '0')}`
        const name = `${page}-${of.slice(0, 8)}-${sha256(`${link} ${request}`).slice(0, 16)}.zst`
        for (;;) {
          const kept = names.has(name) ? await read(name) : undefined
          if (kept !== undefined) {
            const parsed = await parse(kept.answer)
            keptCount += 1
            newest = Math.max(newest, kept.at)
            add(name, kept)
            return { ...parsed, bodyDigest: kept.bodyDigest }
          }
          stopIfStale()
          if (askedCount === 0 && names.size > 0) {
            log.info({ folder, pageCount: keptCount }, 'reading continues after the answers that were kept')
          }
          const answer = await ask()
          const parsed = await parse(answer)
          askedCount += 1
          const packed = await packedOf(answer, parsed, task)
          if (!adopts) await putLater(name, packed.object)
          else if (!(await put(name, packed.object))) continue
          add(name, packed)
          return { ...parsed, bodyDigest: packed.bodyDigest }
        }
      }
    },
    async drain() {
      await Promise.all(writing)
      throwIfBroken()
      stopIfStale()
    },
    async finish() {
      for (const name of task.names) if (!used.has(name)) await lake.delete(`${folder}/${name}`, { signal })
      return { folder, count: used.size, sizeBytes }
    },
  }
}

type Facts = {
  /** Of the object, in bytes of the lake. */
  readonly objectBytes: number
  /** Of everything in the object. */
  readonly digest: string
  /** Of the body, as it is packed. */
  readonly bodyDigest: string
}
type Kept = Facts & { readonly answer: Answer; readonly at: number }

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

async function packedOf(
  { status, url, headers, body }: Answer,
  parsed: ParsedAnswer,
  { mask, reduce, clock, pagination }: KeptAnswersTask,
): Promise<Facts & { readonly object: Buffer }> {
  const reduced = reduce?.(parsed)
  const names = new Set(['content-type', ...PAGE_HEADERS, ...ownHeaders(pagination)])
  const sent = [...headers].filter(([name]) => names.has(name))
  const told = mask.hide(JSON.stringify({ url: url.href, headers: sent }), Buffer.from(reduced ?? body))
  const frame = await compress(told.body, COMPRESSION)
  const head: Head = {
    format: 1,
    at: clock().toISOString(),
    status,
    ...(JSON.parse(told.text) as Pick<Head, 'url' | 'headers'>),
    sizeBytes: told.body.byteLength,
    ...(reduced === undefined ? {} : { reducedFrom: parsed.body.format }),
    masks: told.masks,
  }
  const text = Buffer.from(JSON.stringify(head))
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix.writeUInt32LE(SKIPPABLE_MAGIC, 0)
  prefix.writeUInt32LE(DIGEST_BYTES + text.length, 4)
  const digest = createHash('sha256').update(text).update(frame).digest()
  const object = Buffer.concat([prefix, digest, text, frame])
  return { object, objectBytes: object.length, digest: digest.toString('hex'), bodyDigest: hash('sha256', frame) }
}

function ownHeaders(pagination: RestPagination): string[] {
  return pagination.type === 'cursor' && pagination.header !== undefined ? [pagination.header.toLowerCase()] : []
}

/** @returns undefined if the object is damaged, incomplete, or of another version */
async function unpacked(object: Buffer, mask: SecretMask): Promise<Kept | undefined> {
  const begin = PREFIX_BYTES + DIGEST_BYTES
  if (object.length < begin || object.readUInt32LE(0) !== SKIPPABLE_MAGIC) return undefined
  const end = PREFIX_BYTES + object.readUInt32LE(4)
  const digest = hash('sha256', object.subarray(begin))
  if (end < begin || digest !== object.toString('hex', PREFIX_BYTES, begin)) return undefined
  const parsed = Head.safeParse(JSON.parse(object.toString('utf8', begin, end)))
  if (!parsed.success) return undefined
  const { at, status, url, headers, sizeBytes, reducedFrom, masks } = parsed.data
  const frame = object.subarray(end)
  const packed = await decompress(frame, { maxOutputLength: Math.max(sizeBytes, 1) })
  const told = await mask.reveal(JSON.stringify({ url, headers }), packed, masks)
  const shown = JSON.parse(told.text) as Pick<Head, 'url' | 'headers'>
  return {
    answer: {
      status,
      url: new URL(shown.url),
      headers: new Headers(shown.headers),
      body: told.body,
      ...(reducedFrom === undefined ? {} : { reducedFrom: reducedFrom as BodyFormat }),
    },
    at: Date.parse(at),
    objectBytes: object.length,
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
