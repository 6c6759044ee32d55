import { Document, isMap, isScalar, type YAMLMap } from 'yaml'
import { plain, type Draft } from './draft.ts'
import type { DraftColumn } from './guess-key.ts'

/**
 * A draft as a contract of the Open Data Contract Standard.
 * @param showValues whether rules may have values of the source in them
 */
export function contractText(
  pipeline: string,
  dataset: string,
  { columns }: Draft,
  { showValues = false } = {},
): string {
  const keys = columns.filter(({ isKey }) => isKey)
  const document = new Document({
    apiVersion: 'v3.1.0',
    kind: 'DataContract',
    id: `urn:cinelake:${pipeline}:${dataset}`,
    version: '0.1.0',
    status: 'draft',
    name: dataset,
    schema: [
      {
        name: dataset,
        logicalType: 'object',
        properties: columns.map((column) => propertyOf(column, keys.indexOf(column) + 1, keys.length, showValues)),
      },
    ],
  })
  document.commentBefore = ` A draft by \`cinelake try\`, made of a few rows. Those who know the data should read it: types, what is
 required, the key, and above all what is personal data and what is not.`
  flowSmallMaps(document)
  return document.toString({ lineWidth: 0, flowCollectionPadding: true })
}

function propertyOf(column: DraftColumn, position: number, keyCount: number, showValues: boolean): object {
  const { name, isRequired, isKey, personal, values, minimum } = column
  const quality = [
    ...(values === undefined || !showValues ? [] : [rule(`${name}_known`, { validValues: values })]),
    ...(minimum === undefined ? [] : [rule(`${name}_not_negative`, { min: minimum })]),
  ]
  return {
    name,
    ...typeOf(column.inferred.type),
    ...(isRequired ? { required: true } : {}),
    ...(isKey ? { primaryKey: true, ...(keyCount > 1 ? { primaryKeyPosition: position } : {}) } : {}),
    ...(personal === undefined ? {} : { classification: 'personal' }),
    ...(quality.length === 0 ? {} : { quality }),
  }
}

/** A rule suggested by a few rows must not reject rows: it warns. */
function rule(name: string, args: object): object {
  return { name, type: 'library', metric: 'invalidValues', arguments: args, mustBe: 0, severity: 'warn' }
}

const LOGICAL: Readonly<Record<string, string>> = {
  VARCHAR: 'string',
  BIGINT: 'integer',
  DOUBLE: 'number',
  BOOLEAN: 'boolean',
  DATE: 'date',
  TIME: 'time',
  'TIMESTAMP WITH TIME ZONE': 'timestamp',
}

function typeOf(type: string): object {
  if (type === 'VARCHAR[]') return { logicalType: 'array', items: { logicalType: 'string' } }
  if (type === 'INTEGER') return { logicalType: 'integer', physicalType: 'INTEGER' }
  return type.startsWith('DECIMAL')
    ? { logicalType: 'number', physicalType: type }
    : { logicalType: LOGICAL[type] ?? 'string' }
}

/** Each column on its own line, for readability. */
function flowSmallMaps(document: Document): void {
  const properties = document.getIn(['schema', 0, 'properties'])
  if (typeof properties !== 'object' || properties === null || !('items' in properties)) return
  for (const property of properties.items as YAMLMap[]) {
    const quality = property.get('quality')
    if (quality === undefined) property.flow = true
    else if (typeof quality === 'object' && quality !== null && 'items' in quality) {
      for (const each of quality.items as YAMLMap[]) each.flow = true
    }
  }
}

/** The parse options of the contract's columns that need any: `columns` of the dataset. */
export function columnReadings({ columns }: Draft): Readonly<Record<string, string | object>> {
  return Object.fromEntries(
    columns.flatMap(
      ({ name, from, position, inferred: { type: _type, misfitCount: _misfits, note: _note, ...options } }) => {
        const source = position === undefined ? (plain(from) === plain(name) ? {} : { from }) : { position }
        const reading = { ...source, ...options }
        const keys = Object.keys(reading)
        if (keys.length === 0) return []
        return [[name, keys.length === 1 && 'from' in reading ? from : reading] as const]
      },
    ),
  )
}

/**
 * Writes the settings that a draft needs to pipeline.yaml, and keeps comments, order, and existing settings of columns.
 * Personal columns are hidden from analysts until a user decides otherwise.
 */
export function withDraft(
  document: Document,
  { source, dataset }: { source: string; dataset: string },
  draft: Draft,
  { read = {}, pagination }: { readonly read?: object; readonly pagination?: object | undefined },
): void {
  const place = ['sources', source, 'datasets', dataset]
  const written = document.getIn([...place, 'columns'])
  for (const [name, reading] of Object.entries(columnReadings(draft))) {
    const isThere =
      isMap(written) && written.items.some(({ key }) => plain(String(isScalar(key) ? key.value : key)) === plain(name))
    if (!isThere) document.setIn([...place, 'columns', name], flowNode(document, reading))
  }
  for (const [key, value] of Object.entries(read)) {
    if (value !== undefined && !document.hasIn([...place, 'read', key]))
      document.setIn([...place, 'read', key], flowNode(document, key === 'quote' && value === '' ? 'none' : value))
  }
  const made = document.getIn([...place, 'read'])
  if (isMap(made) && Object.keys(read).length > 0) made.flow = made.items.length <= MAX_FLOW
  if (pagination !== undefined && document.getIn([...place, 'pagination']) === undefined) {
    document.setIn([...place, 'pagination'], flowNode(document, pagination))
  }
  keepPersonalBack(document, dataset, draft)
}

/** Most keys of a mapping on one line. */
const MAX_FLOW = 4

function flowNode(document: Document, value: unknown) {
  return document.createNode(value, { flow: true })
}

function keepPersonalBack(document: Document, dataset: string, { columns }: Draft): void {
  const personal = columns.filter((column) => column.personal !== undefined).map(({ name }) => name)
  const serve = document.get('serve')
  if (personal.length === 0 || typeof serve !== 'object' || serve === null || !('items' in serve)) return
  for (const [index, item] of (serve.items as unknown[]).entries()) {
    if (isScalar(item) && item.value === dataset) {
      document.setIn(['serve', index], flowNode(document, { table: dataset, exclude: personal }))
    } else if (isMap(item) && item.get('table') === dataset) {
      const known = document.getIn(['serve', index, 'exclude'])
      const before =
        typeof known === 'object' && known !== null && 'toJSON' in known
          ? (known as { toJSON(): string[] }).toJSON()
          : []
      const missing = personal.filter((name) => !before.includes(name))
      if (missing.length > 0) document.setIn(['serve', index, 'exclude'], flowNode(document, [...before, ...missing]))
    }
  }
}
