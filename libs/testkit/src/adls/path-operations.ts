import { Refusal, type Answer } from './answer.ts'
import { checkMd5 } from './blob-operations.ts'
import type { BlockStore } from './block-store.ts'
import { checkConditions } from './conditions.ts'
import { contentHeadersIn, withoutEndSlashes } from './request.ts'
import { stamp, type Container, type NamedBlock, type State, type Step, type StoredFile } from './state.ts'
import { existing, newDirectory, newFile, parentsOf, pathsBelow, tagsOf, type Context } from './tree.ts'

/** Path - Create: an empty file, or a directory. */
export function createPath(context: Context): Answer {
  const { request, container, commit } = context
  const before = container.nodes.get(request.path)
  checkConditions(request, before, { taken: 'PathAlreadyExists' })
  const kind = request.query.get('resource') === 'directory' ? 'directory' : 'file'
  if (before !== undefined && before.kind !== kind) {
    throw new Refusal(409, 'PathConflict', 'something else is at this path')
  }
  const metadata = propertiesIn(request.headers['x-ms-properties'])
  const headers = contentHeadersIn(request)
  const node =
    kind === 'file'
      ? newFile(before, { blocks: [], metadata, headers })
      : { ...(before ?? newDirectory()), ...stamp(), metadata, headers }
  const at = { container: request.container, path: request.path }
  commit([...parentsOf(context), { op: 'unstage', ...at }, { op: 'set', ...at, node }])
  return { status: 201, headers: tagsOf(node) }
}

/** Path - Update, append: bytes that show when they are flushed. */
export async function appendToPath(context: Context, store: BlockStore): Promise<Answer> {
  const { request, commit } = context
  const { block, md5 } = await store.receive(request.body)
  try {
    checkMd5(request.headers['content-md5'], md5)
    const file = fileIn(context)
    const position = Number(request.query.get('position'))
    if (position < file.sizeBytes) {
      throw new Refusal(400, 'InvalidAppendPosition', 'the position is before the end of what was flushed')
    }
    const appended = { id: appendId(position), ...block }
    commit([{ op: 'stage', container: request.container, path: request.path, block: appended }])
    return request.query.get('flush') === 'true' ? flush(context, position + block.sizeBytes, 202) : { status: 202 }
  } catch (error) {
    await store.release([block.file])
    throw error
  }
}

/** Path - Update, flush: shows what was appended. */
export function flushPath(context: Context): Answer {
  checkConditions(context.request, fileIn(context))
  return flush(context, Number(context.request.query.get('position')), 200)
}

function flush(context: Context, position: number, status: number): Answer {
  const { request, container, commit } = context
  const file = fileIn(context)
  const appended = [...(container.staged.get(request.path)?.values() ?? [])].filter(({ id }) => id.startsWith('@'))
  const blocks: NamedBlock[] = [...file.blocks]
  let end = file.sizeBytes
  for (const block of appended.sort((a, b) => (a.id < b.id ? -1 : 1))) {
    if (block.id !== appendId(end) || end >= position) break
    blocks.push({ ...block, id: '' })
    end += block.sizeBytes
  }
  if (end !== position) {
    throw new Refusal(400, 'InvalidFlushPosition', 'what was appended has a gap, or does not end at the position')
  }
  // The bytes are others now: a checksum of the old ones would lie.
  const { 'content-md5': _, ...kept } = file.headers
  const node = newFile(file, { blocks, metadata: file.metadata, headers: { ...kept, ...contentHeadersIn(request) } })
  const at = { container: request.container, path: request.path }
  commit([
    { op: 'set', ...at, node },
    { op: 'unstage', ...at },
  ])
  return { status, headers: tagsOf(node) }
}

/** Path - Create with `x-ms-rename-source`: a file or a directory with all that is in it, in one step. */
export function renamePath(context: Context, state: State, account: string): Answer {
  const { request, container, commit } = context
  const source = sourceOf(request.headers['x-ms-rename-source'] ?? '', state, account)
  const node = source.nodes.get(source.path)
  if (node === undefined) throw new Refusal(404, 'SourcePathNotFound', 'the source of the rename is not there')
  const there = container.nodes.get(request.path)
  checkConditions(request, node, { prefix: 'x-ms-source-' })
  checkConditions(request, there, { taken: 'PathAlreadyExists' })
  if (`${request.path}/`.startsWith(`${source.path}/`) && source.container === request.container) {
    throw new Refusal(409, 'InvalidRenameSourcePath', 'the source is the destination, or a directory above it')
  }
  if (there !== undefined && there.kind !== node.kind) throw new Refusal(409, 'PathConflict', 'kinds differ')
  if (there?.kind === 'directory' && pathsBelow(container, request.path).length > 0) {
    throw new Refusal(409, 'DirectoryNotEmpty', 'the destination is a directory with something in it')
  }
  const parent = request.path.split('/').slice(0, -1).join('/')
  if (parent !== '' && container.nodes.get(parent)?.kind !== 'directory') {
    throw new Refusal(404, 'RenameDestinationParentPathNotFound', 'the directory of the destination is not there')
  }
  const moved = [source.path, ...pathsBelow(source, source.path)]
  commit(
    moved.flatMap((path) =>
      moveSteps(source, path, request.container, `${request.path}${path.slice(source.path.length)}`),
    ),
  )
  return { status: 201, headers: tagsOf(node) }
}

type Source = Container & { readonly container: string; readonly path: string }

function moveSteps(source: Source, path: string, container: string, target: string): Step[] {
  const node = source.nodes.get(path)
  if (node === undefined) return []
  return [
    { op: 'remove', container: source.container, path },
    { op: 'set', container, path: target, node },
  ]
}

function sourceOf(header: string, state: State, account: string): Source {
  const segments = new URL(header, 'http://storage').pathname.slice(1).split('/').map(decodeURIComponent)
  // With addresses of the style `http://host/ACCOUNT/…` the SDK may name the account here or leave it out.
  if (segments[0] === account && !state.has(account)) segments.shift()
  const [container = '', ...path] = segments
  const found = state.get(container)
  if (found === undefined) throw new Refusal(404, 'SourcePathNotFound', 'the container of the source is not there')
  return { ...found, container, path: withoutEndSlashes(path.join('/')) }
}

/** `x-ms-properties: name=BASE64,…` */
function propertiesIn(header = ''): Record<string, string> {
  return Object.fromEntries(
    header
      .split(',')
      .filter((pair) => pair !== '')
      .map((pair) => {
        const equals = pair.indexOf('=')
        return [pair.slice(0, equals).trim(), Buffer.from(pair.slice(equals + 1), 'base64').toString()]
      }),
  )
}

function fileIn(context: Context): StoredFile {
  const node = existing(context, 'PathNotFound')
  if (node.kind !== 'file') throw new Refusal(409, 'ResourceTypeMismatch', 'there is a directory at this path')
  return node
}

/** Digits enough for any size, so that ids sort as their positions do. */
function appendId(position: number): string {
  return `@${String(position).padStart(16, '0')}`
}
