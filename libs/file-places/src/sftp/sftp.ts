import { CancelledError, PipelineError } from '@cinelake/core'
import type { FileEntryWithStats, SFTPWrapper, Stats } from 'ssh2'
import {
  PlaceFileChangedError,
  PlaceFileForbiddenError,
  placeErrors,
  PlaceRefusedError,
  PlaceUnavailableError,
} from '../errors.ts'
import type { FilePlace, PlaceFile, PlaceOptions, Selection } from '../file-place.ts'
import type { PlaceAccess } from '../place-address.ts'
import { readResuming } from '../read-resuming.ts'
import { readSftpAddress } from './address.ts'
import { connectTo, type SftpSession } from './session.ts'

/** Bytes of one request. Servers answer larger ones in part. Source: draft-ietf-secsh-filexfer-02, section 6.4 */
const REQUEST_BYTES = 32 * 1024

/** Requests in flight of one file: hides the round trips of a distant server. */
const REQUESTS_AT_ONCE = 32

/** Status codes of a server. Source: draft-ietf-secsh-filexfer-02, section 7 */
const [EOF, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE] = [1, 2, 3, 4]

/**
 * A folder of an SFTP server.
 * @throws {PLACE_ADDRESS_INVALID} terminal
 * @throws {PLACE_HOST_KEY_UNKNOWN} terminal, with the first call: nothing is sent to a server with another key
 */
export async function openSftpPlace(url: string, access: PlaceAccess): Promise<FilePlace> {
  const address = readSftpAddress(url, access)
  const { location, folder } = address
  let session: Promise<SftpSession> | undefined
  const pathOf = (name: string) => `${folder}/${name}`

  /** One connection for all files; opened again where it was lost. */
  const connected = async (signal: AbortSignal | undefined): Promise<SFTPWrapper> => {
    if (session !== undefined) {
      const open = await session.catch(() => undefined)
      if (open === undefined || open.isOver()) session = undefined
    }
    session ??= connectTo(address, signal)
    return (await session).sftp
  }
  const run = async <T>({ signal }: PlaceOptions, work: (sftp: SFTPWrapper) => Promise<T>): Promise<T> => {
    try {
      return await work(await connected(signal))
    } catch (error) {
      throw translate(error, location, signal)
    }
  }

  const stat = async (name: string, options: PlaceOptions = {}): Promise<PlaceFile | undefined> =>
    await run(options, async (sftp) => {
      const found = await statOf(sftp, pathOf(name), options.signal)
      return found?.isFile() === true ? fileOf(name, found) : undefined
    })

  async function* entriesOf(below: string, options: PlaceOptions): AsyncGenerator<FileEntryWithStats> {
    const path = below === '' ? folder : pathOf(below)
    const entries = await run(options, async (sftp) => {
      try {
        return await call<FileEntryWithStats[]>(options.signal, (done) => sftp.readdir(path, done))
      } catch (error) {
        if (statusOf(error) === NO_SUCH_FILE && below !== '') return []
        if (statusOf(error) === NO_SUCH_FILE) throw placeErrors.PLACE_MISSING(location, 'nothing of that name')
        throw error
      }
    })
    yield* entries
  }

  async function* walk(below: string, wanted: Selection, options: PlaceOptions): AsyncGenerator<PlaceFile> {
    for await (const { filename, attrs } of entriesOf(below, options)) {
      const name = below === '' ? filename : `${below}/${filename}`
      const [mayBeFile, mayBeFolder] = [wanted.takes(name), wanted.opens(name)]
      if (filename === '.' || filename === '..' || !(mayBeFile || mayBeFolder)) continue
      const found = attrs.isSymbolicLink()
        ? await run(options, async (sftp) => await statOf(sftp, pathOf(name), options.signal))
        : attrs
      if (found?.isFile() === true && mayBeFile) yield fileOf(name, found)
      // A link to a folder may lead in a circle.
      else if (found?.isDirectory() === true && mayBeFolder && !attrs.isSymbolicLink())
        yield* walk(name, wanted, options)
    }
  }

  /** The folders of a path, made where they are missing. */
  const makeFolders = async (sftp: SFTPWrapper, path: string, signal: AbortSignal | undefined): Promise<void> => {
    const parent = path.slice(0, path.lastIndexOf('/'))
    if (parent === '' || (await statOf(sftp, parent, signal)) !== undefined) return
    await makeFolders(sftp, parent, signal)
    await call(signal, (done) => sftp.mkdir(parent, done)).catch((error: unknown) => {
      // Another process may have made it.
      if (statusOf(error) !== FAILURE) throw error
    })
  }

  const isThis = async (file: PlaceFile, options: PlaceOptions): Promise<boolean> => {
    const now = await stat(file.name, options)
    return now !== undefined && now.sizeBytes === file.sizeBytes && now.modifiedMs === file.modifiedMs
  }

  return {
    location,
    stat,
    list: (wanted, options = {}) => walk(wanted.prefix.replace(/\/$/, ''), wanted, options),
    read(file, { signal } = {}) {
      const open = (offset: number) =>
        bytesFrom(() => connected(signal), { path: pathOf(file.name), file, offset, location, signal })
      return readResuming(file, open, { location, signal })
    },
    async write(name, content, options = {}) {
      const { signal } = options
      const path = pathOf(name)
      const slash = path.lastIndexOf('/') + 1
      const unfinished = `${path.slice(0, slash)}.${path.slice(slash)}.unfinished`
      await run(options, async (sftp) => {
        await makeFolders(sftp, path, signal)
        await writeWhole(sftp, unfinished, content, signal)
        await call(signal, (done) => sftp.ext_openssh_rename(unfinished, path, done))
      })
    },
    async move(file, to, options = {}) {
      if (!(await isThis(file, options))) return 'gone'
      return await run(options, async (sftp) => {
        const target = pathOf(to)
        if ((await statOf(sftp, target, options.signal)) !== undefined) return 'taken'
        await makeFolders(sftp, target, options.signal)
        try {
          // Fails where the name was taken meanwhile.
          await call(options.signal, (done) => sftp.rename(pathOf(file.name), target, done))
          return 'moved'
        } catch (error) {
          if (statusOf(error) === NO_SUCH_FILE) return 'gone'
          if (statusOf(error) === FAILURE && (await statOf(sftp, target, options.signal)) !== undefined) return 'taken'
          throw error
        }
      })
    },
    async delete(file, options = {}) {
      if (!(await isThis(file, options))) return
      await run(options, async (sftp) => {
        await call(options.signal, (done) => sftp.unlink(pathOf(file.name), done)).catch((error: unknown) => {
          if (statusOf(error) !== NO_SUCH_FILE) throw error
        })
      })
    },
    async [Symbol.asyncDispose]() {
      const open = await session?.catch(() => undefined)
      open?.end()
    },
  }
}

type Reading = {
  readonly path: string
  readonly file: PlaceFile
  readonly offset: number
  readonly location: string
  readonly signal: AbortSignal | undefined
}

/** The bytes from an offset on, of a file that stays as it was found until the last one was read. */
async function* bytesFrom(connected: () => Promise<SFTPWrapper>, reading: Reading): AsyncGenerator<Uint8Array> {
  const { path, file, location, signal } = reading
  try {
    const sftp = await connected()
    const handle = await call<Buffer>(signal, (done) => sftp.open(path, 'r', done))
    try {
      checkSame(await call<Stats>(signal, (done) => sftp.fstat(handle, done)), reading)
      yield* blocksOf(sftp, handle, reading)
      checkSame(await call<Stats>(signal, (done) => sftp.fstat(handle, done)), reading)
    } finally {
      // A connection that was lost closes nothing any more.
      sftp.close(handle, () => {})
    }
    const named = await statOf(sftp, path, signal)
    if (named === undefined) throw new PlaceFileChangedError(location, file.name, 'it was removed')
    checkSame(named, reading)
  } catch (error) {
    if (statusOf(error) === NO_SUCH_FILE) throw new PlaceFileChangedError(location, file.name, 'it was removed')
    if (statusOf(error) === PERMISSION_DENIED)
      throw new PlaceFileForbiddenError(location, file.name, 'permission denied')
    throw translate(error, location, signal)
  }
}

function checkSame({ size, mtime }: Stats, { file, location }: Reading): void {
  if (size !== file.sizeBytes)
    throw new PlaceFileChangedError(location, file.name, `its size went from ${file.sizeBytes} to ${size} bytes`)
  if (mtime * 1000 !== file.modifiedMs)
    throw new PlaceFileChangedError(location, file.name, 'it was written to or replaced')
}

/** Reads ahead with a fixed number of requests; the bytes come in order. */
async function* blocksOf(
  sftp: SFTPWrapper,
  handle: Buffer,
  { file, offset, signal }: Reading,
): AsyncGenerator<Uint8Array> {
  const inFlight: Promise<Buffer>[] = []
  let next = offset
  const ask = () => {
    const [from, length] = [next, Math.min(REQUEST_BYTES, file.sizeBytes - next)]
    next += length
    const answer = readFully(sftp, handle, { from, length, signal })
    // Its failure is reported when its turn comes.
    answer.catch(() => {})
    inFlight.push(answer)
  }
  for (;;) {
    while (next < file.sizeBytes && inFlight.length < REQUESTS_AT_ONCE) ask()
    const bytes = await inFlight.shift()
    if (bytes === undefined) return
    yield bytes
    if (bytes.byteLength < REQUEST_BYTES && inFlight.length > 0) return
  }
}

/** Writes a new file with a fixed number of requests in flight. */
async function writeWhole(
  sftp: SFTPWrapper,
  path: string,
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const handle = await call<Buffer>(signal, (done) => sftp.open(path, 'w', done))
  try {
    const inFlight = new Set<Promise<void>>()
    let offset = 0
    for await (const chunk of content) {
      for (let from = 0; from < chunk.byteLength; from += REQUEST_BYTES) {
        // A chunk is valid until the next one is requested.
        const block = Buffer.from(chunk.subarray(from, from + REQUEST_BYTES))
        const at = offset
        offset += block.byteLength
        const written = call(signal, (done) => sftp.write(handle, block, 0, block.byteLength, at, done))
        inFlight.add(written)
        // Its failure is reported when it is waited for.
        written.then(() => inFlight.delete(written)).catch(() => {})
        if (inFlight.size >= REQUESTS_AT_ONCE) await Promise.race(inFlight)
      }
    }
    await Promise.all(inFlight)
  } finally {
    await call(signal, (done) => sftp.close(handle, done)).catch(() => {})
  }
}

type Range = { readonly from: number; readonly length: number; readonly signal: AbortSignal | undefined }

/** All bytes of a range; fewer at the end of the file only. */
async function readFully(sftp: SFTPWrapper, handle: Buffer, { from, length, signal }: Range): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(length)
  let filled = 0
  while (filled < length) {
    const count = await call<number>(signal, (done) =>
      sftp.read(handle, buffer, filled, length - filled, from + filled, (error, read) => done(error, read)),
    ).catch((error: unknown) => {
      if (statusOf(error) === EOF) return 0
      throw error
    })
    if (count === 0) break
    filled += count
  }
  return buffer.subarray(0, filled)
}

async function statOf(sftp: SFTPWrapper, path: string, signal: AbortSignal | undefined): Promise<Stats | undefined> {
  try {
    return await call<Stats>(signal, (done) => sftp.stat(path, done))
  } catch (error) {
    if (statusOf(error) === NO_SUCH_FILE) return undefined
    throw error
  }
}

function fileOf(name: string, { size, mtime }: Stats): PlaceFile {
  return { name, sizeBytes: size, modifiedMs: mtime * 1000 }
}

type Done<T> = (error?: Error | null, result?: T) => void

/** Milliseconds for one answer. */
const ANSWER_MS = 120_000

/** The answer to one request. A connection that is lost answers none of its requests: hence the time limit. */
async function call<T = void>(signal: AbortSignal | undefined, send: (done: Done<T>) => unknown): Promise<T> {
  const answer = Promise.withResolvers<T>()
  const stop = () => answer.reject(new CancelledError('waiting for an SFTP server', { cause: signal?.reason }))
  const timer = setTimeout(() => answer.reject(new LostConnection('no answer')), ANSWER_MS)
  signal?.addEventListener('abort', stop, { once: true })
  if (signal?.aborted === true) stop()
  try {
    send((error, result) => {
      if (error === undefined || error === null) answer.resolve(result as T)
      else answer.reject(error)
    })
    return await answer.promise
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', stop)
  }
}

class LostConnection extends Error {}

/** The status of a server's answer; undefined for other errors. */
function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined
}

function translate(error: unknown, location: string, signal: AbortSignal | undefined): unknown {
  if (error instanceof PipelineError) return error
  if (signal?.aborted === true) return new CancelledError(`reading ${location}`, { cause: signal.reason })
  const status = statusOf(error)
  if (status === PERMISSION_DENIED)
    return new PlaceRefusedError(location, 'permission denied', 'give this user the right to')
  if (!(error instanceof Error)) return error
  return new PlaceUnavailableError(location, status === undefined ? error.message : `status ${status}`)
}
