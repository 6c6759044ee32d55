import type { TokenCredential } from '@azure/core-auth'
import {
  AnonymousCredential,
  ContainerClient,
  newPipeline,
  StorageSharedKeyCredential,
  type Pipeline,
} from '@azure/storage-blob'
import { DataLakeFileSystemClient, newPipeline as newDataLakePipeline } from '@azure/storage-file-datalake'
import type { AdlsAddress } from './adls-address.ts'
import type { AdlsTuning } from './adls-place.ts'

type Credential = StorageSharedKeyCredential | AnonymousCredential | TokenCredential

/** Who signs in: the key of the address, its signature (then nobody), or an identity. */
export async function credentialOf(address: AdlsAddress, token: () => Promise<TokenCredential>): Promise<Credential> {
  if (address.accountKey !== undefined) return new StorageSharedKeyCredential(address.account, address.accountKey)
  return address.sas === undefined ? await token() : new AnonymousCredential()
}

/** The container by both of Azure's APIs; `containerOnce` tries nothing again. */
export function clientsOf(address: AdlsAddress, credential: Credential, tuning: AdlsTuning) {
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
