import { z } from 'zod'
import { mapping } from '@cinelake/config-text'

const text = z.string().min(1, 'expected a text that is not empty')
/** A part of the standard that does not affect how data is read, checked or served. */
const unused = z.unknown().optional()
const number = z.number()
const pair = z.tuple([number, number])

const customProperties = z
  .array(mapping({ id: unused, property: text, value: z.unknown(), description: unused }))
  .optional()

/** How a measured number is compared with the expected one. Exactly one operator may be given. */
export const OPERATORS = {
  mustBe: '=',
  mustNotBe: '<>',
  mustBeGreaterThan: '>',
  mustBeGreaterOrEqualTo: '>=',
  mustBeLessThan: '<',
  mustBeLessOrEqualTo: '<=',
  mustBeBetween: 'between',
  mustNotBeBetween: 'not between',
} as const

const operators = {
  mustBe: number.optional(),
  mustNotBe: number.optional(),
  mustBeGreaterThan: number.optional(),
  mustBeGreaterOrEqualTo: number.optional(),
  mustBeLessThan: number.optional(),
  mustBeLessOrEqualTo: number.optional(),
  mustBeBetween: pair.optional(),
  mustNotBeBetween: pair.optional(),
}

const scalar = z.union([z.string(), z.number(), z.boolean()])

const quality = mapping({
  name: text.optional(),
  description: z.string().optional(),
  type: z.enum(['library', 'sql', 'custom', 'text']).optional(),
  severity: z.enum(['info', 'warn', 'warning', 'error', 'fail']).optional(),
  unit: z.enum(['rows', 'percent']).optional(),
  metric: z.enum(['nullValues', 'missingValues', 'invalidValues', 'duplicateValues', 'rowCount']).optional(),
  arguments: mapping({
    validValues: z.array(scalar).min(1).optional(),
    missingValues: z.array(scalar.nullable()).min(1).optional(),
    properties: z.array(text).min(1).optional(),
    pattern: text.optional(),
    min: z.union([z.number(), z.string()]).optional(),
    max: z.union([z.number(), z.string()]).optional(),
    minLength: z.int().min(0).optional(),
    maxLength: z.int().min(0).optional(),
  }).optional(),
  query: text.optional(),
  engine: text.optional(),
  implementation: z.unknown().optional(),
  ...operators,
  id: unused,
  authoritativeDefinitions: unused,
  businessImpact: unused,
  customProperties: unused,
  dimension: unused,
  method: unused,
  rule: unused,
  schedule: unused,
  scheduler: unused,
  tags: unused,
})
export type QualityText = z.infer<typeof quality>

const bound = z.union([z.number(), z.string()]).optional()

const typeOptions = mapping({
  minLength: z.int().min(0).optional(),
  maxLength: z.int().min(1).optional(),
  pattern: text.optional(),
  format: text.optional(),
  minimum: bound,
  maximum: bound,
  exclusiveMinimum: bound,
  exclusiveMaximum: bound,
  multipleOf: z.number().positive().optional(),
  timezone: z.boolean().optional(),
  defaultTimezone: text.optional(),
  minItems: z.int().min(0).optional(),
  maxItems: z.int().min(0).optional(),
  uniqueItems: z.boolean().optional(),
})

const LOGICAL_TYPES = [
  'string',
  'date',
  'timestamp',
  'time',
  'number',
  'integer',
  'object',
  'array',
  'boolean',
] as const

const typing = {
  logicalType: z.enum(LOGICAL_TYPES).optional(),
  logicalTypeOptions: typeOptions.optional(),
  physicalType: text.optional(),
}

const element = {
  id: unused,
  businessName: unused,
  authoritativeDefinitions: unused,
  tags: unused,
  description: z.string().optional(),
  customProperties,
}

const propertyExtras = {
  partitioned: unused,
  partitionKeyPosition: unused,
  encryptedName: unused,
  transformSourceObjects: unused,
  transformLogic: unused,
  transformDescription: unused,
  examples: unused,
  criticalDataElement: unused,
  relationships: unused,
  properties: unused,
}

const property = mapping({
  name: z
    .string()
    .regex(/^\p{L}[\p{L}\p{N}_]*$/u, 'expected letters, digits and `_`, beginning with a letter')
    .max(63, 'expected at most 63 characters'),
  physicalName: text.optional(),
  ...typing,
  required: z.boolean().optional(),
  unique: z.boolean().optional(),
  primaryKey: z.boolean().optional(),
  primaryKeyPosition: z.int().optional(),
  classification: text.optional(),
  items: mapping({
    name: unused,
    physicalName: unused,
    ...typing,
    required: unused,
    unique: unused,
    primaryKey: unused,
    primaryKeyPosition: unused,
    classification: unused,
    quality: unused,
    items: unused,
    ...element,
    ...propertyExtras,
  }).optional(),
  quality: z.array(quality).optional(),
  ...element,
  ...propertyExtras,
})
export type PropertyText = z.infer<typeof property>
/** The keys of a column's type; `items` describes the elements of a list. */
export type TypingText = Pick<PropertyText, 'logicalType' | 'logicalTypeOptions' | 'physicalType'> & {
  readonly items?: Pick<PropertyText, 'logicalType' | 'logicalTypeOptions' | 'physicalType'> | undefined
}

const schemaObject = mapping({
  name: text,
  logicalType: z.literal('object').optional(),
  physicalName: unused,
  physicalType: unused,
  dataGranularityDescription: unused,
  properties: z.array(property).min(1, 'expected at least one column'),
  relationships: unused,
  quality: z.array(quality).optional(),
  ...element,
})
export type SchemaObjectText = z.infer<typeof schemaObject>

/**
 * A contract file: Open Data Contract Standard 3.1, https://bitol-io.github.io/open-data-contract-standard/v3.1.0/.
 * Keys of the standard that Cinelake does not use are accepted and ignored; keys that the standard does not have are errors.
 */
export const ContractText = mapping({
  version: text,
  apiVersion: z.literal('v3.1.0', { error: 'expected `v3.1.0`, the version of the standard that is read' }),
  kind: z.literal('DataContract'),
  id: text,
  status: text,
  name: z.string().optional(),
  tenant: unused,
  tags: unused,
  servers: unused,
  dataProduct: unused,
  description: z.looseObject({ purpose: z.string().optional(), usage: unused, limitations: unused }).optional(),
  domain: unused,
  schema: z.array(schemaObject).min(1, 'expected at least one object'),
  support: unused,
  price: unused,
  team: unused,
  roles: unused,
  slaDefaultElement: unused,
  slaProperties: unused,
  authoritativeDefinitions: unused,
  customProperties,
  contractCreatedTs: unused,
})
export type ContractText = z.infer<typeof ContractText>

/** Replacements for missing top-level keys of a contract, so that its columns can still be checked. */
export const CONTRACT_FALLBACK = {
  version: '0',
  apiVersion: 'v3.1.0',
  kind: 'DataContract',
  id: 'unknown',
  status: 'draft',
}
