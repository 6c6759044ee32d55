import { escapeXml, Refusal, xml, type Answer } from './answer.ts'
import type { StorageRequest } from './request.ts'
import type { Container, Node, State, Step } from './state.ts'
import { tagsOf, type Context } from './tree.ts'

/** Paths in one page, unless fewer are asked for. Source: learn.microsoft.com/…/filesystem/list-paths */
const MAX_PAGE = 5000

/** Milliseconds from 1601, the beginning of Windows' file times, to 1970. */
const WINDOWS_EPOCH_MS = 11_644_473_600_000n

/** List Containers. */
export function listContainers(state: State, { query }: StorageRequest): Answer {
  const prefix = query.get('prefix') ?? ''
  const entries = [...state]
    .filter(([name]) => name.startsWith(prefix))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, container]) => `<Container><Name>${escapeXml(name)}</Name>${containerXml(container)}</Container>`)
  const body = `<Prefix>${escapeXml(prefix)}</Prefix><Containers>${entries.join('')}</Containers><NextMarker/>`
  return xml(200, `<EnumerationResults ServiceEndpoint="/">${body}</EnumerationResults>`)
}

function containerXml({ createdAt }: Container): string {
  const modified = new Date(createdAt).toUTCString()
  return `<Properties><Last-Modified>${modified}</Last-Modified><Etag>"0x0"</Etag><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState></Properties>`
}

/** Create, delete and look at a container. */
export function containerOperation(
  state: State,
  { method, container, query }: StorageRequest,
  commit: (steps: readonly Step[]) => void,
): Answer {
  const found = state.get(container)
  if (method === 'PUT' && !query.has('comp')) {
    if (found !== undefined) throw new Refusal(409, 'ContainerAlreadyExists', 'there is a container of this name')
    const at = new Date().toISOString()
    commit([{ op: 'create-container', container, at }])
    return { status: 201, headers: tagsOf({ etag: '"0x0"', modifiedAt: at }) }
  }
  if (found === undefined) throw new Refusal(404, 'ContainerNotFound', 'there is no container of this name')
  if (method === 'DELETE') {
    commit([{ op: 'drop-container', container }])
    return { status: 202 }
  }
  if (method === 'GET' || method === 'HEAD') {
    return {
      status: 200,
      headers: { ...tagsOf({ etag: '"0x0"', modifiedAt: found.createdAt }), 'content-length': '0' },
    }
  }
  throw new Refusal(400, 'UnsupportedHttpVerb', 'this is not served here')
}

/**
 * Path - List. As Azure does it with a hierarchical namespace: in order of the segments of the path, so that a
 * directory comes before its files, and those before `directory-2`.
 */
export function listPaths({ request: { query }, container }: Context, pageSize = MAX_PAGE): Answer {
  const directory = (query.get('directory') ?? '').replaceAll(/^\/+|\/+$/g, '')
  if (directory !== '' && container.nodes.get(directory)?.kind !== 'directory') {
    throw new Refusal(404, 'PathNotFound', 'there is no such directory')
  }
  const base = directory === '' ? '' : `${directory}/`
  const isWanted = wantedPaths(base, query)
  const paths = [...container.nodes.keys()].filter(isWanted).sort(compareSegments)
  const size = Math.min(Number(query.get('maxResults') ?? pageSize), pageSize)
  const page = paths.slice(0, size)
  const last = page.at(-1)
  return {
    status: 200,
    headers: {
      'content-type': 'application/json',
      ...(last !== undefined && paths.length > size && { 'x-ms-continuation': Buffer.from(last).toString('base64') }),
    },
    body: JSON.stringify({ paths: page.map((path) => entryOf(path, container.nodes.get(path))) }),
  }
}

/** Blobs in one page, unless fewer are asked for. Source: learn.microsoft.com/…/list-blobs */
const MAX_BLOBS = 5000

/** List Blobs, without a delimiter. A directory is an empty blob there, with metadata that tells. */
export function listBlobs({ request: { query, container: name }, container }: Context, pageSize = MAX_BLOBS): Answer {
  const prefix = query.get('prefix') ?? ''
  const after = Buffer.from(query.get('marker') ?? '', 'base64').toString()
  const hasMetadata = query.get('include')?.split(',').includes('metadata') === true
  const paths = [...container.nodes.keys()].filter((path) => path.startsWith(prefix) && path > after).sort()
  const size = Math.min(Number(query.get('maxresults') ?? pageSize), pageSize)
  const page = paths.slice(0, size)
  const last = page.at(-1)
  const next = last !== undefined && paths.length > size ? Buffer.from(last).toString('base64') : ''
  const blobs = page.map((path) => blobXml(path, container.nodes.get(path), hasMetadata)).join('')
  const body = `<Prefix>${escapeXml(prefix)}</Prefix><Blobs>${blobs}</Blobs><NextMarker>${next}</NextMarker>`
  return xml(
    200,
    `<EnumerationResults ServiceEndpoint="/" ContainerName="${escapeXml(name)}">${body}</EnumerationResults>`,
  )
}

function blobXml(name: string, node: Node | undefined, hasMetadata: boolean): string {
  if (node === undefined) return ''
  const isDirectory = node.kind === 'directory'
  const properties = [
    `<Last-Modified>${new Date(node.modifiedAt).toUTCString()}</Last-Modified>`,
    `<Etag>${node.etag.replaceAll('"', '')}</Etag>`,
    `<Content-Length>${isDirectory ? 0 : node.sizeBytes}</Content-Length>`,
    `<BlobType>BlockBlob</BlobType>`,
  ].join('')
  const fields = { ...node.metadata, ...(isDirectory && { hdi_isfolder: 'true' }) }
  const metadata = Object.entries(fields).map(([key, value]) => `<${key}>${escapeXml(value)}</${key}>`)
  const about = hasMetadata ? `<Metadata>${metadata.join('')}</Metadata>` : ''
  return `<Blob><Name>${escapeXml(name)}</Name><Properties>${properties}</Properties>${about}</Blob>`
}

function wantedPaths(base: string, query: URLSearchParams): (path: string) => boolean {
  const isRecursive = query.get('recursive') === 'true'
  const after = Buffer.from(query.get('continuation') ?? '', 'base64').toString()
  const from = query.get('beginFrom') ?? ''
  if (!isRecursive && from.includes('/')) {
    throw new Refusal(400, 'InvalidQueryParameterValue', 'beginFrom may have one level unless the list is recursive')
  }
  return (path) =>
    path.startsWith(base) &&
    (isRecursive || !path.slice(base.length).includes('/')) &&
    (after === '' || compareSegments(path, after) > 0) &&
    (from === '' || compareSegments(path.slice(base.length), from) >= 0)
}

function compareSegments(one: string, other: string): number {
  const [a, b] = [one.split('/'), other.split('/')]
  const at = a.findIndex((segment, index) => segment !== b[index])
  if (at === -1) return a.length - b.length
  const [x, y] = [a[at] ?? '', b[at]]
  return y !== undefined && x < y ? -1 : 1
}

function entryOf(name: string, node: Node | undefined): object {
  if (node === undefined) return { name }
  return {
    name,
    ...(node.kind === 'directory' && { isDirectory: 'true' }),
    contentLength: String(node.kind === 'file' ? node.sizeBytes : 0),
    lastModified: new Date(node.modifiedAt).toUTCString(),
    etag: node.etag.replaceAll('"', ''),
    owner: '$superuser',
    group: '$superuser',
    permissions: node.kind === 'directory' ? 'rwxr-x---' : 'rw-r-----',
    creationTime: String((BigInt(Date.parse(node.createdAt)) + WINDOWS_EPOCH_MS) * 10_000n),
  }
}
