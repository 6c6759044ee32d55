import { expect, test } from 'vitest'
import { defaultSchema, isReservedSchema, SCHEMA_NAME } from './text/pipeline-schema.ts'

test.each([
  ['shop', 'shop'],
  ['Sales-EU', 'sales_eu'],
  ['mart', 'mart'],
  ['public', 'mart_public'],
  ['Ops', 'mart_ops'],
  ['pg_x', 'mart_pg_x'],
  [`pg-${'x'.repeat(60)}`, `mart_pg_${'x'.repeat(55)}`],
])('the pipeline %s has the schema %s where it names none', (pipeline, schema) => {
  expect(defaultSchema(pipeline)).toBe(schema)
  expect(schema).toMatch(SCHEMA_NAME)
  expect(schema.length).toBeLessThanOrEqual(63)
  expect(isReservedSchema(schema)).toBe(false)
})
