import type { TokenCredential } from '@azure/core-auth'
import {
  AnonymousCredential,
  type BlobClient,
  ContainerClient,
  type ContainerListBlobFlatSegmentResponse,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import {
  DataLakeDirectoryClient,
  DataLakeFileClient,
  newPipeline as newDataLakePipeline,
} from '@azure/storage-file-datalake'
import type { FilePlace, PlaceFile, PlaceOptions, Selection } from '../file-place.ts'
import { readResuming } from '../read-resuming.ts'
import { type AzureAddress, readAzureAddress } from './address.ts'
import type { PlaceAccess } from '../place-address.ts'
import { changed, isGone, isNotThis, isTaken, isWithoutFolder, translate } from './errors.ts'

/** Files per page of a listing: the most that Azure gives. Source: learn.microsoft.com/…/list-blobs */
const PAGE_SIZE = 5000

/** Bytes of a block of an upload, and how many are in flight. */
const BLOCK_BYTES = 4 * 1024 * 1024
const BLOCKS_AT_ONCE = 2

type Deps = { readonly credential: (() => Promise<TokenCredential>) | undefined }

/**
 * A folder in a container of Azure Blob Storage or Data Lake Storage. `abfss:` renames files in one step, which needs a
 * hierarchical namespace; an address of the Blob service copies and deletes them.
 * @throws {PLACE_ADDRESS_INVALID} terminal
 */
export async function openAzurePlace(url: string, access: PlaceAccess, { credential }: Deps): Promise<FilePlace> {
  const address = readAzureAddress(url, access.auth)
  const { location, root } = address
  const signIn = await signInOf(address, credential)
  // The SDK retries after faults of the service; a connection that breaks off while a file is read is resumed here.
  const retryOptions = { maxTries: 4, retryDelayInMs: 500, maxRetryDelayInMs: 8000 }
  const query = address.sas === undefined ? '' : `?${address.sas}`
  const container = new ContainerClient(`${address.blobUrl}${query}`, signIn, { retryOptions })
  const blobOf = (name: string): BlobClient => container.getBlobClient(`${root}${name}`)
  const run = async <T>(work: () => Promise<T>, { signal }: PlaceOptions = {}): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw translate(error, { location, signal })
    }
  }

  const stat = async (name: string, { signal }: PlaceOptions = {}): Promise<PlaceFile | undefined> =>
    await run(
      async () => {
        try {
          const found = await blobOf(name).getProperties(abortable(signal))
          if (found.metadata?.['hdi_isfolder'] === 'true') return undefined
          const { contentLength: sizeBytes = 0, lastModified, etag } = found
          return { name, sizeBytes, modifiedMs: lastModified?.getTime() ?? 0, etag }
        } catch (error) {
          if (isGone(error)) return undefined
          throw error
        }
      },
      { signal },
    )

  const remove = async (file: PlaceFile, { signal }: PlaceOptions = {}): Promise<void> =>
    await run(
      async () => {
        try {
          await blobOf(file.name).delete({ ...thisVersion(file), ...abortable(signal) })
        } catch (error) {
          if (!isNotThis(error)) throw error
        }
      },
      { signal },
    )

  const lakeUrlOf = (name: string) => `${address.dfsUrl}/${escaped(`${root}${name}`)}${query}`
  const lakePipeline = () => newDataLakePipeline(signIn, { retryOptions })

  /** In one step. */
  const rename = async (file: PlaceFile, to: string, { signal }: PlaceOptions): Promise<void> => {
    const source = new DataLakeFileClient(lakeUrlOf(file.name), lakePipeline())
    const move = async () =>
      void (await source.move(`${root}${to}`, {
        ...thisVersion(file),
        destinationConditions: { ifNoneMatch: '*' },
        ...abortable(signal),
      }))
    try {
      await move()
    } catch (error) {
      if (!isWithoutFolder(error)) throw error
      const parent = new DataLakeDirectoryClient(lakeUrlOf(to.slice(0, to.lastIndexOf('/'))), lakePipeline())
      await parent.createIfNotExists(abortable(signal))
      await move()
    }
  }

  /** The copy is made by Azure. It is complete before the file is deleted. */
  const copyAndDelete = async (file: PlaceFile, to: string, { signal }: PlaceOptions): Promise<void> => {
    const poller = await blobOf(to).beginCopyFromURL(blobOf(file.name).url, {
      conditions: { ifNoneMatch: '*' },
      sourceConditions: { ...(file.etag !== undefined && { ifMatch: file.etag }) },
      ...abortable(signal),
    })
    await poller.pollUntilDone()
    await remove(file, { signal })
  }

  return {
    location,
    stat,
    delete: remove,
    async *list(wanted: Selection, { signal }: PlaceOptions = {}) {
      const prefix = `${root}${wanted.prefix}`
      const pages = container
        .listBlobsFlat({ ...(prefix === '' ? {} : { prefix }), includeMetadata: true, ...abortable(signal) })
        .byPage({ maxPageSize: PAGE_SIZE })
      for (;;) {
        const { done, value } = await run(async () => await pages.next(), { signal })
        if (done === true) return
        yield* filesOf(value, root, wanted)
      }
    },
    read(file, { signal } = {}) {
      return readResuming(file, (offset) => bytesFrom(blobOf(file.name), file, offset), { location, signal })

      async function* bytesFrom(blob: BlobClient, { name, sizeBytes, etag }: PlaceFile, offset: number) {
        // Azure refuses a range behind the end, and an empty file has no other.
        if (sizeBytes === offset) {
          const now = await stat(name, { signal })
          if (now === undefined || now.etag !== etag) throw changed(location, name, now === undefined)
          if (now.sizeBytes === offset) return
        }
        try {
          const conditions = etag === undefined ? {} : { conditions: { ifMatch: etag } }
          const answer = await blob.download(offset, undefined, {
            ...conditions,
            maxRetryRequests: 0,
            ...abortable(signal),
          })
          for await (const chunk of answer.readableStreamBody ?? [])
            yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk
        } catch (error) {
          throw translate(error, { location, signal, reading: name })
        }
      }
    },
    async write(name, content, { signal } = {}) {
      const blob = container.getBlockBlobClient(`${root}${name}`)
      const { Readable } = await import('node:stream')
      // Blocks that are not committed are not visible.
      await run(
        async () =>
          void (await blob.uploadStream(Readable.from(content), BLOCK_BYTES, BLOCKS_AT_ONCE, abortable(signal))),
        { signal },
      )
    },
    async move(file, to, { signal } = {}) {
      return await run(
        async () => {
          try {
            await (address.hasFolders ? rename(file, to, { signal }) : copyAndDelete(file, to, { signal }))
            return 'moved'
          } catch (error) {
            if (isTaken(error)) return 'taken'
            if (isNotThis(error)) return 'gone'
            throw error
          }
        },
        { signal },
      )
    },
    async [Symbol.asyncDispose]() {},
  }
}

function abortable(signal: AbortSignal | undefined): { readonly abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal }
}

function thisVersion({ etag }: PlaceFile): { readonly conditions?: { readonly ifMatch: string } } {
  return etag === undefined ? {} : { conditions: { ifMatch: etag } }
}

const escaped = (path: string) => path.split('/').map(encodeURIComponent).join('/')

async function signInOf({ account, accountKey, sas }: AzureAddress, credential: Deps['credential']) {
  if (accountKey !== undefined) return new StorageSharedKeyCredential(account, accountKey)
  if (sas !== undefined || credential === undefined) return new AnonymousCredential()
  return await credential()
}

function* filesOf(page: ContainerListBlobFlatSegmentResponse, root: string, wanted: Selection): Generator<PlaceFile> {
  for (const { name, properties, metadata } of page.segment.blobItems) {
    // Azure gives a directory as an empty blob with this metadata.
    if (metadata?.['hdi_isfolder'] === 'true') continue
    const below = name.slice(root.length)
    if (!wanted.takes(below)) continue
    const { contentLength: sizeBytes = 0, lastModified, etag } = properties
    yield {
      name: below,
      sizeBytes,
      modifiedMs: lastModified.getTime(),
      etag: etag.startsWith('"') ? etag : `"${etag}"`,
    }
  }
}
