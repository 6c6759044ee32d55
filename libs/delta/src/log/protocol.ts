import type { MetaData, Protocol, LogState } from './actions.ts'
import { DeltaCorruptError, DeltaUnsupportedError } from '../errors.ts'
import { isObject, type JsonObject } from './json.ts'
import { commitPath } from './paths.ts'
import { engineTypeOf, type DeltaField, type DeltaType } from './types.ts'

/**
 * The protocol that is written: every Delta reader and writer since 2020 knows it. Source:
 * PROTOCOL.md#requirements-for-writers
 */
export const PROTOCOL: Protocol = { minReaderVersion: 1, minWriterVersion: 2 }

/** The properties of a table whose log is readable. */
export type TableShape = { readonly metaData: MetaData; readonly fields: readonly DeltaField[] }

/** @throws {DeltaUnsupportedError} @throws {DeltaCorruptError} */
export function readableShape(table: string, state: LogState): TableShape {
  const { protocol, metaData } = state
  const place = commitPath(table, state.version)
  if (protocol === undefined || metaData === undefined) {
    throw new DeltaCorruptError(place, 'a protocol and metaData in the log up to here', 'none')
  }
  if (protocol.minReaderVersion > PROTOCOL.minReaderVersion) {
    throw new DeltaUnsupportedError(
      table,
      'reader version 1',
      `${protocol.minReaderVersion}${listed(protocol.readerFeatures)}`,
    )
  }
  const fields = parseSchema(metaData.schemaString, place)
  for (const field of fields) {
    if (engineTypeOf(field.type) === undefined) {
      throw new DeltaUnsupportedError(
        table,
        'types of reader version 1',
        `${JSON.stringify(field.type)} in column ${field.name}`,
      )
    }
  }
  return { metaData, fields }
}

/** @param removes whether rows are removed @throws {DeltaUnsupportedError} */
export function checkWritable(table: string, state: LogState, shape: TableShape, removes: boolean): void {
  const version = state.protocol?.minWriterVersion ?? 0
  if (version > PROTOCOL.minWriterVersion) {
    throw new DeltaUnsupportedError(table, 'writer version 2', `${version}${listed(state.protocol?.writerFeatures)}`)
  }
  const guarded = shape.fields.find((field) => field.metadata['delta.invariants'] !== undefined)
  if (guarded !== undefined)
    throw new DeltaUnsupportedError(table, 'no delta.invariants', `one on column ${guarded.name}`)
  if (removes && shape.metaData.configuration['delta.appendOnly'] === 'true') {
    throw new DeltaUnsupportedError(table, 'a table that rows may be removed from', 'delta.appendOnly=true')
  }
}

function listed(features: readonly string[] | undefined): string {
  return features === undefined || features.length === 0 ? '' : ` (${features.join(', ')})`
}

export function schemaString(fields: readonly DeltaField[]): string {
  return JSON.stringify({ type: 'struct', fields })
}

function parseSchema(text: string, place: string): DeltaField[] {
  const wrong = (options?: ErrorOptions) =>
    new DeltaCorruptError(place, 'a struct type as schemaString', 'another text', options)
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw wrong({ cause: error })
  }
  const type = typeOf(parsed)
  if (type === undefined || typeof type === 'string' || type.type !== 'struct') throw wrong()
  return [...type.fields]
}

function typeOf(value: unknown): DeltaType | undefined {
  if (typeof value === 'string') return value
  if (!isObject(value)) return undefined
  if (value['type'] === 'struct') return structOf(value)
  const [element, key, mapped] = [typeOf(value['elementType']), typeOf(value['keyType']), typeOf(value['valueType'])]
  if (value['type'] === 'array' && element !== undefined) {
    return { type: 'array', elementType: element, containsNull: value['containsNull'] !== false }
  }
  if (value['type'] === 'map' && key !== undefined && mapped !== undefined) {
    return { type: 'map', keyType: key, valueType: mapped, valueContainsNull: value['valueContainsNull'] !== false }
  }
  return undefined
}

function structOf(value: JsonObject): DeltaType | undefined {
  const fields: DeltaField[] = []
  for (const field of Array.isArray(value['fields']) ? value['fields'] : []) {
    const type = isObject(field) ? typeOf(field['type']) : undefined
    if (!isObject(field) || type === undefined || typeof field['name'] !== 'string') return undefined
    const metadata = isObject(field['metadata']) ? field['metadata'] : {}
    fields.push({ name: field['name'], type, nullable: field['nullable'] !== false, metadata })
  }
  return { type: 'struct', fields }
}
