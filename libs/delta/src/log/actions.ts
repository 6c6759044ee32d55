import { DeltaCorruptError } from '../errors.ts'
import { CHECKSUM_TAG, checksumOf, Fields, type JsonObject, isObject } from './json.ts'

/** The actions of a commit. Source of names and shapes: github.com/delta-io/delta/blob/master/PROTOCOL.md#actions */
export type Protocol = {
  readonly minReaderVersion: number
  readonly minWriterVersion: number
  readonly readerFeatures?: readonly string[]
  readonly writerFeatures?: readonly string[]
}

export type MetaData = {
  readonly id: string
  readonly name?: string
  readonly description?: string
  readonly format: { readonly provider: string; readonly options: Readonly<Record<string, string | null>> }
  /** JSON of a struct type. */
  readonly schemaString: string
  readonly partitionColumns: readonly string[]
  readonly configuration: Readonly<Record<string, string>>
  readonly createdTime?: number
}

export type AddFile = {
  /** Relative to the table, URI-encoded. */
  readonly path: string
  readonly partitionValues: Readonly<Record<string, string | null>>
  readonly size: number
  readonly modificationTime: number
  readonly dataChange: boolean
  /** JSON. */
  readonly stats?: string
  readonly tags?: Readonly<Record<string, string | null>>
  readonly hasDeletionVector?: true
}

export type RemoveFile = {
  readonly path: string
  readonly deletionTimestamp: number
  readonly dataChange: boolean
  readonly partitionValues?: Readonly<Record<string, string | null>>
  readonly size?: number
  readonly stats?: string
}

export type Txn = { readonly appId: string; readonly version: number; readonly lastUpdated?: number }

export type Action = {
  readonly protocol?: Protocol
  readonly metaData?: MetaData
  readonly add?: AddFile
  readonly remove?: RemoveFile
  readonly txn?: Txn
  readonly commitInfo?: JsonObject
}

/**
 * Reads a commit.
 * @param file lake path, for the error
 * @throws {DeltaCorruptError} names the line
 */
export function parseCommit(text: string, file: string): Action[] {
  const actions: Action[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    const place = `${file}:${index + 1}`
    actions.push(parseAction(parseJson(line, place), place))
  }
  if (actions.length === 0) throw new DeltaCorruptError(file, 'the actions of a commit', 'an empty file')
  const [first] = actions
  const written = first?.commitInfo?.[CHECKSUM_TAG]
  if (typeof written === 'string') {
    const found = checksumOf(text.slice(text.indexOf('\n') + 1))
    if (found !== written) throw new DeltaCorruptError(file, `actions with the checksum ${written}`, found)
  }
  return actions
}

/**
 * The text of a commit. Its first line, the `commitInfo`, has the checksum of the lines after it; other writers lack
 * it.
 */
export function commitText(commitInfo: JsonObject, actions: readonly object[]): string {
  const rest = actions.map((action) => `${JSON.stringify(action)}\n`).join('')
  return `${JSON.stringify({ commitInfo: { ...commitInfo, [CHECKSUM_TAG]: checksumOf(rest) } })}\n${rest}`
}

/** Unknown actions are ignored: the protocol version says whether that is allowed. */
export function parseAction(value: unknown, place: string): Action {
  if (!isObject(value)) throw new DeltaCorruptError(place, 'a JSON object', typeof value)
  const read = <Result>(name: string, build: (fields: Fields, object: JsonObject) => Result): Result | undefined => {
    const object = value[name]
    if (object === undefined || object === null) return undefined
    if (!isObject(object)) throw new DeltaCorruptError(place, `an object as ${name}`, typeof object)
    const fields = new Fields(name, object)
    const result = build(fields, object)
    if (fields.problem !== undefined) throw new DeltaCorruptError(place, 'an action of the protocol', fields.problem)
    return result
  }
  return defined({
    protocol: read('protocol', protocolOf),
    metaData: read('metaData', metaDataOf),
    add: read('add', addOf),
    remove: read('remove', removeOf),
    txn: read('txn', txnOf),
    commitInfo: read('commitInfo', (_, object) => object),
  })
}

function protocolOf(fields: Fields): Protocol {
  return {
    minReaderVersion: fields.number('minReaderVersion'),
    minWriterVersion: fields.number('minWriterVersion'),
    readerFeatures: fields.texts('readerFeatures'),
    writerFeatures: fields.texts('writerFeatures'),
  }
}

function metaDataOf(fields: Fields, object: JsonObject): MetaData {
  const format = new Fields('metaData.format', isObject(object['format']) ? object['format'] : {})
  return {
    id: fields.text('id'),
    ...defined({ name: fields.optionalText('name'), description: fields.optionalText('description') }),
    format: { provider: format.optionalText('provider') ?? 'parquet', options: format.map('options') },
    schemaString: fields.text('schemaString'),
    partitionColumns: fields.texts('partitionColumns'),
    configuration: textsOnly(fields.map('configuration')),
    ...defined({ createdTime: fields.optionalNumber('createdTime') }),
  }
}

function addOf(fields: Fields, object: JsonObject): AddFile {
  const tags = fields.map('tags')
  return {
    path: fields.text('path'),
    partitionValues: partitionValuesOf(fields),
    size: fields.number('size'),
    modificationTime: fields.number('modificationTime'),
    dataChange: fields.boolean('dataChange', true),
    ...defined({ stats: fields.optionalText('stats') }),
    ...(Object.keys(tags).length > 0 && { tags }),
    ...(isObject(object['deletionVector']) && { hasDeletionVector: true as const }),
  }
}

function removeOf(fields: Fields): RemoveFile {
  return {
    path: fields.text('path'),
    deletionTimestamp: fields.optionalNumber('deletionTimestamp') ?? 0,
    dataChange: fields.boolean('dataChange', true),
    partitionValues: partitionValuesOf(fields),
    ...defined({ size: fields.optionalNumber('size'), stats: fields.optionalText('stats') }),
  }
}

function txnOf(fields: Fields): Txn {
  return {
    appId: fields.text('appId'),
    version: fields.number('version'),
    ...defined({ lastUpdated: fields.optionalNumber('lastUpdated') }),
  }
}

/**
 * Some writers spell null as an empty text, which is no value of any partition. Source:
 * PROTOCOL.md#partition-value-serialization
 */
function partitionValuesOf(fields: Fields): Record<string, string | null> {
  const entries = Object.entries(fields.map('partitionValues'))
  return Object.fromEntries(entries.map(([name, value]) => [name, value === '' ? null : value]))
}

function textsOnly(map: Record<string, string | null>): Record<string, string> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, value ?? '']))
}

type Defined<Value> = { [Key in keyof Value]?: Exclude<Value[Key], undefined> }

function defined<Value extends object>(value: Value): Defined<Value> {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as Defined<Value>
}

function parseJson(text: string, place: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new DeltaCorruptError(place, 'a JSON object', 'text that does not parse', { cause: error })
  }
}

/** The state of a table at one version: the sum of its log's actions. */
export type LogState = {
  readonly version: number
  readonly protocol: Protocol | undefined
  readonly metaData: MetaData | undefined
  /** By path. */
  readonly files: ReadonlyMap<string, AddFile>
  /** Files removed before, by path: the data of older versions. */
  readonly removed: ReadonlyMap<string, RemoveFile>
  readonly txns: ReadonlyMap<string, number>
  /** The version of the newest checkpoint that was read; -1 for none. */
  readonly checkpointVersion: number
}

export type Commit = { readonly version: number; readonly actions: readonly Action[] }

/** The state after some more commits, oldest first. */
export function replay(base: LogState | undefined, commits: readonly Commit[]): LogState {
  const files = new Map(base?.files)
  const removed = new Map(base?.removed)
  let txns = new Map(base?.txns)
  let { protocol, metaData } = base ?? {}
  for (const { actions } of commits) {
    // Another id means that the table was created again: earlier commits do not count.
    const begun = actions.find((action) => action.metaData !== undefined)?.metaData
    if (metaData !== undefined && begun !== undefined && begun.id !== metaData.id) txns = new Map()
    // A commit may remove and add one path; of the two the addition counts.
    for (const { remove } of actions) {
      if (remove === undefined) continue
      files.delete(remove.path)
      removed.set(remove.path, remove)
    }
    for (const action of actions) {
      if (action.add !== undefined) {
        files.set(action.add.path, action.add)
        removed.delete(action.add.path)
      }
      if (action.txn !== undefined) txns.set(action.txn.appId, action.txn.version)
      protocol = action.protocol ?? protocol
      metaData = action.metaData ?? metaData
    }
  }
  const version = commits.at(-1)?.version ?? base?.version ?? -1
  return { version, protocol, metaData, files, removed, txns, checkpointVersion: base?.checkpointVersion ?? -1 }
}
