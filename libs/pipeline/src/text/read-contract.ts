import {
  asString,
  checkShape,
  fieldOf,
  type Place,
  type Problems,
  readYaml,
  type YamlPath,
  type YamlText,
} from '@cinelake/config-text'
import { closestName, isTimeZone, suggest } from '@cinelake/core'
import type { CheckedColumn } from '@cinelake/source-kind'
import { optionRules } from './column-rules.ts'
import { columnType } from './column-type.ts'
import { CONTRACT_FALLBACK, ContractText, type PropertyText, type SchemaObjectText } from './contract-schema.ts'
import { type PlacedRules, qualityRule, uniqueRuleNames } from './quality.ts'

/** A contract's column before the source's spelling is known. */
export type ContractColumn = Omit<CheckedColumn, 'reading'> & {
  /** The source's name for it, if the contract declares it. */
  readonly physicalName: string | undefined
  /** The zone of timestamps without an offset, if the contract declares it. */
  readonly timeZone: string | undefined
}

/** A parsed contract; its problems have been reported. */
export type Contract = {
  readonly file: string
  readonly id: string
  readonly version: string
  readonly description: string | undefined
  readonly columns: readonly ContractColumn[]
  /** Names of columns that are declared but invalid: references to them are not reported as unknown. */
  readonly brokenColumns: ReadonlySet<string>
  readonly primaryKey: readonly string[]
  /** Columns that the table had and is to lose. */
  readonly dropped: readonly string[]
  /** The place of each column, and of the list of them. */
  readonly places: { readonly columns: ReadonlyMap<string, Place>; readonly list: Place }
  readonly rules: PlacedRules
}

/** Classifications that make a column personal data, and other common ones, to distinguish a typing error from a choice. */
const PERSONAL: ReadonlySet<string> = new Set(['personal', 'restricted'])
const ALLOWED_IN = 'cinelake.allowedIn'
const ZONES = ['refined', 'mart', 'files'] as const
type Zone = (typeof ZONES)[number]

/**
 * Reads the contract of a dataset.
 * @returns undefined if no part of it can be used
 */
export function readContract(file: string, content: string, dataset: string, problems: Problems): Contract | undefined {
  const text = readYaml(file, content, problems)
  const contract = checkShape(ContractText, text, problems, CONTRACT_FALLBACK)
  if (contract === undefined) return undefined
  const index = contract.schema.length === 1 ? 0 : contract.schema.findIndex((object) => object.name === dataset)
  const object = contract.schema[index]
  if (object === undefined) {
    problems.error(
      text.at(['schema']),
      `none of the contract's objects is named \`${dataset}\``,
      suggest(
        dataset,
        contract.schema.map(({ name }) => name),
      ),
    )
    return undefined
  }
  // Removing invalid columns changes indexes: positions are those in the original text.
  const properties = propertiesAsWritten(text, object, index)
  const context: Context = { text, problems, path: ['schema', properties.objectIndex, 'properties'] }
  const seen = new Set<string>()
  const columns = properties.usable.flatMap(({ property, at }) => {
    const column = readColumn(property, at, context)
    return !isFirst(property, at, seen, context) || column === undefined ? [] : [{ column, property, at }]
  })
  const names = columns.map(({ column }) => column.name)
  const rules: PlacedRules = { rows: [], tables: [] }
  const primaryKey = primaryKeyOf(properties.usable, context)
  for (const { column, property, at } of columns)
    readColumnRules({ property, at, column, names, context, rules, primaryKey })
  const objectPath = ['schema', properties.objectIndex]
  for (const [position, quality] of (object.quality ?? []).entries()) {
    qualityRule(
      quality,
      { text, path: [...objectPath, 'quality', position], problems, column: undefined, columns: names },
      rules,
    )
  }
  uniqueRuleNames(rules, problems)
  const dropped = readDropped(object.customProperties ?? [], { text, path: objectPath, problems })
  const places = new Map(columns.map(({ column, at }) => [column.name, text.at([...context.path, at])] as const))
  const list = text.at(objectPath)
  checkEvolution({
    columns: properties.names,
    renamedFrom: Object.fromEntries(columns.map(({ column }) => [column.name, column.renamedFrom ?? []])),
    dropped,
    placeOf: (name) => (name === undefined ? list : (places.get(name) ?? list)),
    problems,
  })
  return {
    file,
    id: contract.id,
    version: contract.version,
    description: object.description ?? contract.description?.purpose,
    columns: columns.map(({ column }) => ({
      ...column,
      required: column.required || primaryKey.includes(column.name),
    })),
    brokenColumns: new Set(properties.names.filter((name) => !names.includes(name))),
    primaryKey: primaryKey.filter((name) => names.includes(name)),
    dropped,
    places: { columns: places, list },
    rules,
  }
}

type Context = {
  readonly text: YamlText
  readonly problems: Problems
  /** Of the list of columns. */ readonly path: YamlPath
}
/** A column of the contract with its index in the text's list. */
type PlacedProperty = { readonly property: PropertyText; readonly at: number }

/** The primary key's columns in order: by their positions, or as listed if none is given. */
function primaryKeyOf(properties: readonly PlacedProperty[], { text, problems, path }: Context): string[] {
  const place = (at: number) => text.at([...path, at, 'primaryKeyPosition'])
  // -1 is the standard's "no position".
  const positionOf = ({ property }: PlacedProperty) =>
    property.primaryKeyPosition === -1 ? undefined : property.primaryKeyPosition
  const keys = properties.filter(({ property }) => property.primaryKey === true)
  for (const entry of properties) {
    if (entry.property.primaryKey === true || positionOf(entry) === undefined) continue
    problems.error(
      place(entry.at),
      `column \`${entry.property.name}\` has a primaryKeyPosition but is not in the primary key`,
      'add `primaryKey: true`, or remove the position',
    )
  }
  if (keys.every((entry) => positionOf(entry) === undefined)) return keys.map(({ property }) => property.name)
  const taken = new Map<number, string>()
  for (const entry of keys) {
    const { name } = entry.property
    const position = positionOf(entry)
    const other = position === undefined ? undefined : taken.get(position)
    if (position === undefined) {
      problems.error(
        text.at([...path, entry.at]),
        `column \`${name}\` of the primary key has no primaryKeyPosition, others have`,
        `give the ${keys.length} columns the positions 1 to ${keys.length}, or none of them`,
      )
    } else if (other !== undefined) {
      problems.error(
        place(entry.at),
        `columns \`${other}\` and \`${name}\` have the same primaryKeyPosition ${position}`,
        `give the ${keys.length} columns the positions 1 to ${keys.length}`,
      )
    } else if (position < 1 || position > keys.length) {
      problems.error(
        place(entry.at),
        `column \`${name}\` has primaryKeyPosition ${position} in a primary key of ${keys.length}`,
        `give the ${keys.length} columns the positions 1 to ${keys.length}`,
      )
    } else taken.set(position, name)
  }
  const sorted = [...keys].sort((one, other) => (positionOf(one) ?? Infinity) - (positionOf(other) ?? Infinity))
  return sorted.map(({ property }) => property.name)
}

function propertiesAsWritten(text: YamlText, object: SchemaObjectText, fallbackIndex: number) {
  const objects = listAt(text.value, 'schema')
  const found = objects.findIndex((candidate) => fieldOf(candidate, 'name') === object.name)
  const objectIndex = found < 0 ? fallbackIndex : found
  const names = listAt(objects[objectIndex], 'properties').map((property) => asString(fieldOf(property, 'name')))
  const seen = new Map<string, number>()
  const usable = object.properties.map((property): PlacedProperty => {
    const at = names.indexOf(property.name, seen.get(property.name) ?? 0)
    seen.set(property.name, at + 1)
    return { property, at }
  })
  return { objectIndex, names, usable }
}

function readColumn(property: PropertyText, at: number, { text, problems, path }: Context): ContractColumn | undefined {
  const here = [...path, at]
  const reading = columnType(property)
  const personal = readPersonal(property, here, text, problems)
  const renamedFrom = readRenamedFrom(property.name, property.customProperties ?? [], { text, path: here, problems })
  const timeZone = property.logicalTypeOptions?.defaultTimezone
  if (timeZone !== undefined && !isTimeZone(timeZone)) {
    problems.error(
      text.at([...here, 'logicalTypeOptions', 'defaultTimezone']),
      `unknown time zone \`${timeZone}\``,
      'expected an IANA name such as `Europe/Berlin`',
    )
  }
  if (property.logicalTypeOptions?.format !== undefined && /date|time/.test(property.logicalType ?? '')) {
    problems.warning(
      text.at([...here, 'logicalTypeOptions', 'format']),
      '`format` of dates and times is not read',
      `write how the source writes them in pipeline.yaml: \`columns: { ${property.name}: { formats: ['%Y-%m-%d'] } }\``,
    )
  }
  if ('message' in reading) {
    problems.error(text.at([...here, reading.key]), `column \`${property.name}\`: ${reading.message}`, reading.remedy)
    return undefined
  }
  return {
    name: property.name,
    ...reading,
    required: property.required ?? false,
    ...(personal === undefined ? {} : { personal }),
    ...(renamedFrom.length === 0 ? {} : { renamedFrom: [...renamedFrom] }),
    ...(property.description === undefined ? {} : { description: property.description }),
    physicalName: property.physicalName,
    timeZone,
  }
}

/** Personal data goes to refined and no further, unless the contract says otherwise. */
function readPersonal(
  property: PropertyText,
  here: YamlPath,
  text: YamlText,
  problems: Problems,
): CheckedColumn['personal'] {
  const { classification, customProperties = [] } = property
  const index = customProperties.findIndex((custom) => custom.property === ALLOWED_IN)
  const meant = classification === undefined ? undefined : closestName(classification, PERSONAL)
  const isPersonal = classification !== undefined && PERSONAL.has(classification.toLowerCase())
  if (meant !== undefined && !isPersonal) {
    problems.warning(
      text.at([...here, 'classification']),
      `unknown classification \`${classification ?? ''}\``,
      `did you mean \`${meant}\`? As it is, the column is not personal data`,
    )
  }
  if (index < 0) return isPersonal ? { allowedIn: ['refined'] } : undefined
  const at = text.at([...here, 'customProperties', index, 'value'])
  if (!isPersonal) {
    problems.warning(
      text.at([...here, 'customProperties', index]),
      `\`${ALLOWED_IN}\` says nothing here: the column is not personal`,
      'add `classification: personal`, or remove it',
    )
    return undefined
  }
  const value = customProperties[index]?.value
  const zones: readonly unknown[] = Array.isArray(value) ? value : []
  const unknown = zones.filter((zone) => !ZONES.includes(zone as Zone))
  if (!Array.isArray(value) || unknown.length > 0) {
    problems.error(
      at,
      `\`${ALLOWED_IN}\` is wrong`,
      'expected a list of `refined`, `mart` and `files`, such as [refined, mart]',
    )
  } else if (!zones.includes('refined')) {
    problems.error(
      at,
      `column \`${property.name}\` may not be in refined, where every column of a contract goes`,
      'add `refined`, or take the column out of the contract',
    )
  }
  return { allowedIn: ZONES.filter((zone) => zones.includes(zone)) }
}

type ColumnRules = {
  readonly property: PropertyText
  readonly at: number
  readonly column: ContractColumn
  readonly names: readonly string[]
  readonly context: Context
  readonly rules: PlacedRules
  readonly primaryKey: readonly string[]
}

function readColumnRules({ property, at, column, names, context, rules, primaryKey }: ColumnRules): void {
  const { text, problems } = context
  const here = [...context.path, at]
  for (const rule of optionRules(property, column.type)) {
    if ('message' in rule) problems.error(text.at([...here, 'logicalTypeOptions', rule.key]), rule.message, rule.remedy)
    else rules.rows.push({ rule, at: text.at([...here, 'logicalTypeOptions']) })
  }
  // The only column of a primary key is unique, since refining deduplicates by it.
  if (property.unique === true && !(primaryKey.length === 1 && primaryKey[0] === property.name)) {
    qualityRule(
      { name: `unique(${property.name})`, metric: 'duplicateValues', mustBe: 0 },
      { text, path: [...here, 'unique'], problems, column, columns: names },
      rules,
    )
  }
  for (const [position, quality] of (property.quality ?? []).entries()) {
    qualityRule(quality, { text, path: [...here, 'quality', position], problems, column, columns: names }, rules)
  }
}

/** Whether a column's name is not used by an earlier one. */
function isFirst(property: PropertyText, at: number, seen: Set<string>, { text, problems, path }: Context): boolean {
  const name = property.name.toLowerCase()
  if (!seen.has(name)) {
    seen.add(name)
    return true
  }
  problems.error(
    text.at([...path, at, 'name']),
    `column \`${property.name}\` is there twice`,
    'remove or rename one of the two; names are compared without case',
  )
  return false
}

function listAt(value: unknown, key: string): readonly unknown[] {
  const list = fieldOf(value, key)
  return Array.isArray(list) ? list : []
}

type CustomProperty = { readonly property: string; readonly value: unknown }
type At = { readonly text: YamlText; readonly path: YamlPath; readonly problems: Problems }

/** Names of columns in a custom property of the standard, with or without the prefix `cinelake.`. */
function namesOf(
  property: string,
  customProperties: readonly CustomProperty[],
  { text, path, problems }: At,
): { readonly names: readonly string[]; readonly path: YamlPath } {
  const index = customProperties.findIndex((custom) => custom.property.replace(/^cinelake\./, '') === property)
  const here = [...path, 'customProperties', index, 'value']
  if (index < 0) return { names: [], path: here }
  const value = customProperties[index]?.value
  const names: readonly unknown[] = Array.isArray(value) ? value : [value]
  const texts = names.filter((name) => typeof name === 'string' && name !== '')
  if (texts.length === names.length && names.length > 0) return { names: texts.map(String), path: here }
  problems.error(text.at(here), `\`${property}\` is wrong`, 'expected the name of a column, or a list of names')
  return { names: [], path: here }
}

/** The former names of a column, the latest first. `customProperties: [{ property: renamedFrom, value: state }]` */
function readRenamedFrom(column: string, customProperties: readonly CustomProperty[], at: At): readonly string[] {
  const { names, path } = namesOf('renamedFrom', customProperties, at)
  if (!names.includes(column)) return names
  at.problems.error(at.text.at(path), `column \`${column}\` is renamed from itself`, 'name what it was called before')
  return []
}

/** The columns that a table had and is to lose with their values. `customProperties: [{ property: dropped, value: [state] }]` */
function readDropped(customProperties: readonly CustomProperty[], at: At): readonly string[] {
  return namesOf('dropped', customProperties, at).names
}

type Evolving = {
  readonly columns: readonly string[]
  readonly renamedFrom: Readonly<Record<string, readonly string[]>>
  readonly dropped: readonly string[]
  /** The place of a name: of a renamed column, or in the list of dropped ones. */
  readonly placeOf: (column: string | undefined) => ReturnType<YamlText['at']>
  readonly problems: Problems
}

/** A name is a column, a former name of one column, or dropped: never two of these. Compared without case, as in SQL. */
export function checkEvolution({ columns, renamedFrom, dropped, placeOf, problems }: Evolving): void {
  const known = new Set(columns.map((name) => name.toLowerCase()))
  const formers = new Map<string, string>()
  for (const [column, names] of Object.entries(renamedFrom)) {
    for (const name of names) {
      const folded = name.toLowerCase()
      const other = formers.get(folded)
      if (known.has(folded) && folded !== column.toLowerCase())
        problems.error(
          placeOf(column),
          `column \`${column}\` is renamed from \`${name}\`, which is a column of the table`,
          'take one of the two out',
        )
      if (other !== undefined && other !== column)
        problems.error(
          placeOf(column),
          `\`${other}\` and \`${column}\` are both renamed from \`${name}\``,
          'one column can continue under one name: take it out at the other',
        )
      formers.set(folded, column)
    }
  }
  for (const name of dropped) {
    const folded = name.toLowerCase()
    const renamed = formers.get(folded)
    if (known.has(folded))
      problems.error(
        placeOf(undefined),
        `\`dropped\` names \`${name}\`, which is a column of the table`,
        'take it out of one of the two',
      )
    else if (renamed !== undefined)
      problems.error(
        placeOf(undefined),
        `\`dropped\` names \`${name}\`, from which \`${renamed}\` is renamed`,
        'take it out of one of the two',
      )
  }
}
