import { Refusal, type Answer } from './answer.ts'
import {
  checkBlobType,
  deletePath,
  getBlob,
  getBlockList,
  putBlob,
  putBlock,
  putBlockList,
  setBlobFields,
} from './blob-operations.ts'
import type { BlockStore } from './block-store.ts'
import { containerOperation, listBlobs, listContainers, listPaths } from './container-operations.ts'
import type { Journal } from './journal.ts'
import { appendToPath, createPath, flushPath, renamePath } from './path-operations.ts'
import type { StorageRequest } from './request.ts'
import type { Step } from './state.ts'
import type { Context } from './tree.ts'

/** Where the operations find what they work on. */
export type Storage = {
  readonly account: string
  readonly journal: Journal
  readonly store: BlockStore
  /** Paths in a page of a listing; Azure's own limit unless said otherwise. */
  readonly pageSize: number | undefined
  readonly commit: (steps: readonly Step[]) => void
}

/** Which API a request speaks: Azure tells by the host, which is one here, but the DFS API alone answers in JSON. */
export function dialectOf({ headers }: StorageRequest): 'dfs' | 'blob' {
  return headers['accept']?.includes('json') === true ? 'dfs' : 'blob'
}

/** Carries out one request. */
export async function carryOut(request: StorageRequest, storage: Storage): Promise<Answer> {
  const { journal, commit, pageSize } = storage
  const { state } = journal
  if (request.container === '') return listContainers(state, request)
  const isPathListing = request.query.get('resource') === 'filesystem' && request.method === 'GET'
  const isBlobListing = request.query.get('comp') === 'list' && request.method === 'GET' && request.path === ''
  if (request.path === '' && !isPathListing && !isBlobListing) return containerOperation(state, request, commit)
  const container = state.get(request.container)
  if (container === undefined) {
    const code = dialectOf(request) === 'dfs' ? 'FilesystemNotFound' : 'ContainerNotFound'
    throw new Refusal(404, code, 'there is no container of this name')
  }
  const context: Context = { request, container, commit }
  if (isBlobListing) return listBlobs(context, pageSize)
  return isPathListing ? listPaths(context, pageSize) : await pathOperation(context, storage)
}

async function pathOperation(context: Context, { account, journal, store }: Storage): Promise<Answer> {
  const { method, query, headers } = context.request
  const what = query.get('comp') ?? query.get('action') ?? ''
  switch (`${method} ${what}`) {
    case 'PUT block':
      return await putBlock(context, store)
    case 'PUT blocklist':
      return await putBlockList(context)
    case 'GET blocklist':
      return getBlockList(context)
    case 'PUT metadata':
    case 'PUT properties':
      return setBlobFields(context)
    case 'PATCH append':
      return await appendToPath(context, store)
    case 'PATCH flush':
      return flushPath(context)
    case 'GET ':
    case 'HEAD ':
      return await getBlob(context, store)
    case 'DELETE ':
      return deletePath(context, dialectOf(context.request))
    case 'PUT ':
      if (headers['x-ms-rename-source'] !== undefined) return renamePath(context, journal.state, account)
      if (query.has('resource')) return createPath(context)
      checkBlobType(context)
      return await putBlob(context, store)
    default:
      throw new Refusal(400, 'UnsupportedQueryParameter', `${method} ${what} is not served here`)
  }
}
