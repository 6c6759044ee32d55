import { createHash } from 'node:crypto'
import { escapeXml, Refusal, xml, type Answer } from './answer.ts'
import type { BlockStore } from './block-store.ts'
import { checkConditions } from './conditions.ts'
import { bytesOfBody, contentHeadersIn, metadataIn, requiredHeader } from './request.ts'
import { stamp, type NamedBlock, type Node, type StoredFile } from './state.ts'
import { existing, fileAt, newFile, parentsOf, pathsBelow, tagsOf, type Context } from './tree.ts'

const MIB = 1024 * 1024

/** Bytes of a range that the service makes a checksum of. Source: learn.microsoft.com/…/get-blob, x-ms-range-get-content-md5 */
const MAX_CHECKED_RANGE = 4 * MIB

/** Put Blob: an object in one request. */
export async function putBlob(context: Context, store: BlockStore): Promise<Answer> {
  const { request, container, commit } = context
  const { block, md5 } = await store.receive(request.body)
  try {
    checkMd5(request.headers['content-md5'], md5)
    checkConditions(request, container.nodes.get(request.path), { taken: 'BlobAlreadyExists' })
    const before = fileAt(context)
    const headers = { 'content-md5': md5, ...contentHeadersIn(request) }
    const blocks = block.sizeBytes === 0 ? [] : [{ id: '', ...block }]
    const node = newFile(before, { blocks, metadata: metadataIn(request), headers })
    const at = { container: request.container, path: request.path }
    commit([...parentsOf(context), { op: 'unstage', ...at }, { op: 'set', ...at, node }])
    if (blocks.length === 0) await store.release([block.file])
    return { status: 201, headers: { ...tagsOf(node), 'content-md5': md5 } }
  } catch (error) {
    await store.release([block.file])
    throw error
  }
}

/** Put Block: a part of an object, which shows when it is committed. */
export async function putBlock(context: Context, store: BlockStore): Promise<Answer> {
  const { request, container, commit } = context
  const id = request.query.get('blockid') ?? ''
  const { block, md5 } = await store.receive(request.body)
  try {
    checkMd5(request.headers['content-md5'], md5)
    const others = [...(container.staged.get(request.path)?.keys() ?? [])]
    if (others.some((other) => !other.startsWith('@') && other.length !== id.length)) {
      throw new Refusal(400, 'InvalidBlobOrBlock', 'all block ids of a blob have to be of one length')
    }
    fileAt(context)
    commit([{ op: 'stage', container: request.container, path: request.path, block: { id, ...block } }])
    return { status: 201, headers: { 'content-md5': md5 } }
  } catch (error) {
    await store.release([block.file])
    throw error
  }
}

/** Put Block List: makes an object of blocks that were put, or that it has already. Other blocks that were put are gone. */
export async function putBlockList(context: Context): Promise<Answer> {
  const { request, container, commit } = context
  const list = (await bytesOfBody(request.body)).toString()
  checkConditions(request, container.nodes.get(request.path), { taken: 'BlobAlreadyExists' })
  const before = fileAt(context)
  const staged = container.staged.get(request.path)
  const committed = new Map(before?.blocks.map((block) => [block.id, block]))
  const blocks = [...list.matchAll(/<(Latest|Committed|Uncommitted)>([^<]*)</g)].map(
    ([, kind, id = '']): NamedBlock => {
      const block =
        (kind === 'Committed' ? undefined : staged?.get(id)) ?? (kind === 'Uncommitted' ? undefined : committed.get(id))
      if (block === undefined) throw new Refusal(400, 'InvalidBlockList', 'the list names a block that is not there')
      return block
    },
  )
  const node = newFile(before, { blocks, metadata: metadataIn(request), headers: contentHeadersIn(request) })
  const at = { container: request.container, path: request.path }
  commit([...parentsOf(context), { op: 'unstage', ...at }, { op: 'set', ...at, node }])
  return { status: 201, headers: tagsOf(node) }
}

/** Get Block List. */
export function getBlockList({ request, container }: Context): Answer {
  const node = container.nodes.get(request.path)
  const staged = [...(container.staged.get(request.path)?.values() ?? [])].filter(({ id }) => !id.startsWith('@'))
  if (node === undefined && staged.length === 0) throw new Refusal(404, 'BlobNotFound', 'there is no such blob')
  const kind = request.query.get('blocklisttype') ?? 'committed'
  const committed = node?.kind === 'file' ? node.blocks.filter(({ id }) => id !== '') : []
  const part = (name: string, blocks: readonly NamedBlock[]) => `<${name}>${blocks.map(blockXml).join('')}</${name}>`
  const body =
    (kind === 'uncommitted' ? '' : part('CommittedBlocks', committed)) +
    (kind === 'committed' ? '' : part('UncommittedBlocks', staged))
  return xml(200, `<BlockList>${body}</BlockList>`, node === undefined ? {} : tagsOf(node))
}

function blockXml({ id, sizeBytes }: NamedBlock): string {
  return `<Block><Name>${escapeXml(id)}</Name><Size>${sizeBytes}</Size></Block>`
}

/** Get Blob and Get Blob Properties. */
export async function getBlob(context: Context, store: BlockStore): Promise<Answer> {
  const { request } = context
  const node = existing(context, 'BlobNotFound')
  checkConditions(request, node)
  const size = node.kind === 'file' ? node.sizeBytes : 0
  const headers = propertiesOf(node)
  if (request.method === 'HEAD') return { status: 200, headers: { ...headers, 'content-length': String(size) } }
  const blocks = node.kind === 'file' ? node.blocks : []
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers['x-ms-range'] ?? request.headers['range'] ?? '')
  if (range === null) {
    return { status: 200, headers: { ...headers, 'content-length': String(size) }, body: store.read(blocks, 0, size) }
  }
  const start = Number(range[1])
  const end = Math.min(range[2] === '' ? size : Number(range[2]) + 1, size)
  if (start >= size) throw new Refusal(416, 'InvalidRange', 'the range begins after the end of the blob')
  return {
    status: 206,
    headers: {
      ...(await rangeHeaders(request.headers, headers, () => store.read(blocks, start, end), end - start)),
      'content-range': `bytes ${start}-${end - 1}/${size}`,
      'content-length': String(end - start),
    },
    body: store.read(blocks, start, end),
  }
}

async function rangeHeaders(
  asked: Readonly<Record<string, string>>,
  { 'content-md5': whole, ...headers }: Record<string, string>,
  read: () => AsyncIterable<Uint8Array>,
  sizeBytes: number,
): Promise<Record<string, string>> {
  const ofBlob = whole === undefined ? headers : { ...headers, 'x-ms-blob-content-md5': whole }
  if (asked['x-ms-range-get-content-md5'] !== 'true') return ofBlob
  if (sizeBytes > MAX_CHECKED_RANGE) throw new Refusal(400, 'OutOfRangeInput', 'the range is too long for a checksum')
  return {
    ...ofBlob,
    'content-md5': createHash('md5')
      .update(await bytesOfBody(read()))
      .digest('base64'),
  }
}

function propertiesOf(node: Node): Record<string, string> {
  const metadata = node.kind === 'directory' ? { ...node.metadata, hdi_isfolder: 'true' } : node.metadata
  return {
    'content-type': 'application/octet-stream',
    ...node.headers,
    ...tagsOf(node),
    'accept-ranges': 'bytes',
    'x-ms-creation-time': new Date(node.createdAt).toUTCString(),
    'x-ms-blob-type': 'BlockBlob',
    'x-ms-resource-type': node.kind,
    ...Object.fromEntries(Object.entries(metadata).map(([name, value]) => [`x-ms-meta-${name}`, value])),
  }
}

/** Set Blob Metadata, and Set Blob Properties (`comp=properties`). */
export function setBlobFields(context: Context): Answer {
  const { request, commit } = context
  const node = existing(context, 'BlobNotFound')
  checkConditions(request, node)
  const fields =
    request.query.get('comp') === 'metadata'
      ? { metadata: metadataIn(request) }
      : { headers: contentHeadersIn(request) as StoredFile['headers'] }
  const changed: Node = { ...node, ...fields, ...stamp() }
  commit([{ op: 'set', container: request.container, path: request.path, node: changed }])
  return { status: 200, headers: tagsOf(changed) }
}

/** Delete Blob and Path - Delete. */
export function deletePath(context: Context, dialect: 'dfs' | 'blob'): Answer {
  const { request, container, commit } = context
  const node = existing(context, dialect === 'dfs' ? 'PathNotFound' : 'BlobNotFound')
  checkConditions(request, node)
  const below = node.kind === 'directory' ? pathsBelow(container, request.path) : []
  if (below.length > 0 && request.query.get('recursive') !== 'true') {
    throw new Refusal(409, 'DirectoryNotEmpty', 'the directory is not empty')
  }
  commit(
    [...below, request.path].flatMap((path) => [
      { op: 'remove' as const, container: request.container, path },
      { op: 'unstage' as const, container: request.container, path },
    ]),
  )
  return { status: dialect === 'dfs' ? 200 : 202, headers: { 'x-ms-delete-type-permanent': 'true' } }
}

/** @throws {Refusal} 400: the bytes are not those that were sent */
export function checkMd5(expected: string | undefined, actual: string): void {
  if (expected === undefined || expected === actual) return
  throw new Refusal(400, 'Md5Mismatch', 'the MD5 of the body is not what the request says')
}

/** Put Blob needs to know which kind: page and append blobs are not served here. */
export function checkBlobType(context: Context): void {
  if (requiredHeader(context.request, 'x-ms-blob-type') !== 'BlockBlob') {
    throw new Refusal(400, 'InvalidHeaderValue', 'only block blobs are served here')
  }
}
