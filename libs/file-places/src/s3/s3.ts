import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { CancelledError, PipelineError } from '@cinelake/core'
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

/** Bytes of a part of an upload: 80 GB in 10,000 parts. Source: docs.aws.amazon.com/…/qfacts.html */
const PART_BYTES = 8 * 1024 * 1024

/** Milliseconds to connect, and without a byte. */
const CONNECT_MS = 15_000
const SILENCE_MS = 120_000

/**
 * A folder of a bucket: `s3://BUCKET/FOLDER`. Without keys the identity of the process is used, as Amazon's tools find it.
 * @throws {PLACE_ADDRESS_INVALID} terminal
 */
export async function openS3Place(url: string, access: PlaceAccess): Promise<FilePlace> {
  const { bucket, root, location } = readAddress(url)
  const client = clientOf(access, location)
  const keyOf = (name: string) => `${root}${name}`
  const run = async <T>(
    work: () => Promise<T>,
    { signal, reading }: PlaceOptions & { reading?: string } = {},
  ): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw translate(error, { location, signal, reading })
    }
  }

  const stat = async (name: string, { signal }: PlaceOptions = {}): Promise<PlaceFile | undefined> =>
    await run(
      async () => {
        try {
          const found = await client.send(
            new HeadObjectCommand({ Bucket: bucket, Key: keyOf(name) }),
            abortable(signal),
          )
          const { ContentLength: sizeBytes = 0, LastModified, ETag: etag } = found
          return { name, sizeBytes, modifiedMs: LastModified?.getTime() ?? 0, etag }
        } catch (error) {
          if (isGone(error)) return undefined
          throw error
        }
      },
      { signal },
    )

  const isThis = async (file: PlaceFile, options: PlaceOptions) => (await stat(file.name, options))?.etag === file.etag

  /** Servers differ in the conditions that they know for deleting: hence the look before. */
  const remove = async (file: PlaceFile, options: PlaceOptions = {}): Promise<void> => {
    if (!(await isThis(file, options))) return
    const command = new DeleteObjectCommand({ Bucket: bucket, Key: keyOf(file.name) })
    await run(async () => void (await client.send(command, abortable(options.signal))), options)
  }

  return {
    location,
    stat,
    delete: remove,
    async *list(wanted: Selection, { signal }: PlaceOptions = {}) {
      let token: string | undefined
      do {
        const command = new ListObjectsV2Command({
          Bucket: bucket,
          Prefix: keyOf(wanted.prefix),
          ...(token !== undefined && { ContinuationToken: token }),
        })
        const page = await run(async () => await client.send(command, abortable(signal)), { signal })
        yield* filesOf(page, root, wanted)
        token = page.IsTruncated === true ? page.NextContinuationToken : undefined
      } while (token !== undefined)
    },
    read(file, { signal } = {}) {
      return readResuming(file, bytesFrom, { location, signal })

      async function* bytesFrom(offset: number): AsyncGenerator<Uint8Array> {
        const { name, etag, sizeBytes } = file
        // A range behind the end is refused, and an empty file has no other.
        if (sizeBytes === offset) {
          const now = await stat(name, { signal })
          if (now?.etag !== etag) throw changed(location, name, now === undefined)
          return
        }
        try {
          const answer = await client.send(
            new GetObjectCommand({
              Bucket: bucket,
              Key: keyOf(name),
              ...(etag !== undefined && { IfMatch: etag }),
              ...(offset > 0 && { Range: `bytes=${offset}-` }),
            }),
            abortable(signal),
          )
          // Not every server knows the condition.
          if (answer.ETag !== etag) throw changed(location, name, false)
          yield* answer.Body as AsyncIterable<Uint8Array>
        } catch (error) {
          throw translate(error, { location, signal, reading: name })
        }
      }
    },
    async write(name, content, options = {}) {
      await run(
        async () => await upload(client, { Bucket: bucket, Key: keyOf(name) }, content, options.signal),
        options,
      )
    },
    async move(file, to, options = {}) {
      if (!(await isThis(file, options))) return 'gone'
      if ((await stat(to, options)) !== undefined) return 'taken'
      const command = new CopyObjectCommand({
        Bucket: bucket,
        Key: keyOf(to),
        CopySource: `${bucket}/${keyOf(file.name).split('/').map(encodeURIComponent).join('/')}`,
        ...(file.etag !== undefined && { CopySourceIfMatch: file.etag }),
      })
      await run(async () => void (await client.send(command, abortable(options.signal))), options)
      await remove(file, options)
      return 'moved'
    },
    async [Symbol.asyncDispose]() {
      client.destroy()
    },
  }
}

function readAddress(url: string) {
  const [, bucket, path = ''] = /^s3:\/\/([^/?#@]+)(?:\/([^?#]*))?$/i.exec(url) ?? []
  if (bucket === undefined) throw placeErrors.PLACE_ADDRESS_INVALID('expected s3://BUCKET/FOLDER')
  const folder = path.replaceAll(/^\/+|\/+$/g, '')
  return {
    bucket,
    root: folder === '' ? '' : `${folder}/`,
    location: `s3://${bucket}${folder === '' ? '' : `/${folder}`}`,
  }
}

function clientOf({ auth = {}, endpoint, region, pathStyle }: PlaceAccess, location: string): S3Client {
  const { keyId, secretKey, sessionToken } = auth
  if ((keyId === undefined) !== (secretKey === undefined))
    throw placeErrors.PLACE_ADDRESS_INVALID(
      `expected \`keyId\` and \`secretKey\` at \`auth\` [place=${location}], got one of them`,
    )
  return new S3Client({
    // Servers that are not Amazon's take any.
    ...(region === undefined && endpoint === undefined ? {} : { region: region ?? 'us-east-1' }),
    ...(endpoint === undefined ? {} : { endpoint }),
    // Most servers that are not Amazon's have no name per bucket.
    forcePathStyle: pathStyle ?? endpoint !== undefined,
    followRegionRedirects: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: SILENCE_MS },
    ...(keyId !== undefined &&
      secretKey !== undefined && {
        credentials: {
          accessKeyId: keyId,
          secretAccessKey: secretKey,
          ...(sessionToken !== undefined && { sessionToken }),
        },
      }),
  })
}

function* filesOf(page: ListObjectsV2CommandOutput, root: string, wanted: Selection): Generator<PlaceFile> {
  for (const { Key: key = '', Size: sizeBytes = 0, LastModified, ETag: etag } of page.Contents ?? []) {
    const name = key.slice(root.length)
    // Consoles make an empty object for a folder.
    if (name.endsWith('/') || !wanted.takes(name)) continue
    yield { name, sizeBytes, modifiedMs: LastModified?.getTime() ?? 0, etag }
  }
}

type Target = { readonly Bucket: string; readonly Key: string }

/** An object of several parts becomes visible with the last step. */
async function upload(
  client: S3Client,
  target: Target,
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const options = abortable(signal)
  let id: string | undefined
  const parts: { readonly PartNumber: number; readonly ETag: string | undefined }[] = []
  try {
    for await (const { bytes, isLast } of inParts(content)) {
      if (isLast && id === undefined) {
        await client.send(new PutObjectCommand({ ...target, Body: bytes }), options)
        return
      }
      id ??= (await client.send(new CreateMultipartUploadCommand(target), options)).UploadId
      const PartNumber = parts.length + 1
      const part = { ...target, UploadId: id, PartNumber, Body: bytes }
      parts.push({ PartNumber, ETag: (await client.send(new UploadPartCommand(part), options)).ETag })
    }
    const MultipartUpload = { Parts: parts }
    await client.send(new CompleteMultipartUploadCommand({ ...target, UploadId: id, MultipartUpload }), options)
  } catch (error) {
    // Parts that are never completed are paid for.
    if (id !== undefined)
      await client.send(new AbortMultipartUploadCommand({ ...target, UploadId: id })).catch(() => undefined)
    throw error
  }
}

async function* inParts(content: AsyncIterable<Uint8Array>) {
  let chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of content) {
    if (size >= PART_BYTES) {
      yield { bytes: Buffer.concat(chunks), isLast: false }
      chunks = []
      size = 0
    }
    // The giver may use its buffer again.
    chunks.push(Uint8Array.from(chunk))
    size += chunk.byteLength
  }
  yield { bytes: Buffer.concat(chunks), isLast: true }
}

function abortable(signal: AbortSignal | undefined): { readonly abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal }
}

const statusOf = (error: unknown) => (error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined)
const isGone = (error: unknown) => statusOf(error) === 404 && nameOf(error) !== 'NoSuchBucket'
const nameOf = (error: unknown) => (error instanceof Error ? error.name : undefined)

function changed(location: string, name: string, isRemoved: boolean): PlaceFileChangedError {
  return new PlaceFileChangedError(location, name, isRemoved ? 'it was removed' : 'it was written to or replaced')
}

/** Errors that say that the credentials are no good for anything. Source: docs.aws.amazon.com/…/ErrorResponses.html */
const REFUSED = new Set([
  'ExpiredToken',
  'InvalidAccessKeyId',
  'InvalidToken',
  'SignatureDoesNotMatch',
  'RequestTimeTooSkewed',
  'TokenRefreshRequired',
  'CredentialsProviderError',
])

const REMEDY =
  'check the keys at `auth`, or the identity of this process, that they may list the bucket and read its objects (put and delete them, where files are moved), and the clock of this machine'

type Doing = {
  readonly location: string
  readonly signal: AbortSignal | undefined
  readonly reading?: string | undefined
}

/** Translates an error of the SDK. Its request has a signature, and is left behind. */
function translate(error: unknown, { location, signal, reading }: Doing): unknown {
  if (error instanceof PipelineError) return error
  if (signal?.aborted === true) return new CancelledError(`reading ${location}`, { cause: signal.reason })
  if (!(error instanceof Error)) return error
  const status = statusOf(error)
  const reason = error.name === 'Error' ? networkCodeOf(error) : error.name
  if (reason === 'NoSuchBucket') return placeErrors.PLACE_MISSING(location, 'no such bucket')
  if (reading !== undefined && (status === 404 || status === 412)) return changed(location, reading, status === 404)
  if (REFUSED.has(reason) || status === 401) return new PlaceRefusedError(location, reason, REMEDY)
  if (status === 403) {
    return reading === undefined
      ? new PlaceRefusedError(location, reason, REMEDY)
      : new PlaceFileForbiddenError(location, reading, reason)
  }
  if (/region is missing/i.test(error.message))
    return placeErrors.PLACE_ADDRESS_INVALID(`expected a \`region\`, or an \`endpoint\` [place=${location}], got none`)
  if (status !== undefined && status >= 400 && status < 500 && ![408, 409, 429].includes(status))
    return new PlaceRefusedError(location, reason, 'the server refuses the request as it is: check the address')
  return new PlaceUnavailableError(location, reason)
}

function networkCodeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : 'no answer'
}
