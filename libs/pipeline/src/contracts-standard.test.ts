import { Ajv2019, type ValidateFunction } from 'ajv/dist/2019.js'
import addFormats from 'ajv-formats'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { GOOD } from './fixtures/text-folder.fixture.ts'
import { Problems } from '@cinelake/config-text'
import { readContract } from './text/read-contract.ts'

const root = new URL('../../../', import.meta.url)
const schemaFile = new URL('../shared/schemas/odcs-v3.1.0.schema.json', root)
const hasSchema = existsSync(schemaFile)

/** Every contract of the repository, and those of the tests. */
function contracts(): [string, string][] {
  const folders = ['pipelines', 'examples', 'apps/cli/starter'].filter((folder) => existsSync(new URL(folder, root)))
  const files = folders.flatMap((folder) =>
    readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
      .filter((file) => /(^|\/)contracts\/[^/]+\.yaml$/.test(file))
      .map((file): [string, string] => [`${folder}/${file}`, readFileSync(new URL(`${folder}/${file}`, root), 'utf8')]),
  )
  const docs = readFileSync(new URL('docs/pipeline.md', root), 'utf8')
  const shown = [...docs.matchAll(/^```yaml file=(\S*contracts\S+)\n([\s\S]*?)^```$/gm)].map(
    ([, file = '', content = '']): [string, string] => [`docs: ${file}`, content],
  )
  return [...Object.entries(GOOD).filter(([file]) => file.startsWith('contracts/')), ...shown, ...files]
}

function standard(): ValidateFunction {
  const ajv = new Ajv2019({ strict: false, allErrors: true })
  addFormats.default(ajv)
  return ajv.compile(JSON.parse(readFileSync(schemaFile, 'utf8')) as object)
}

describe.skipIf(!hasSchema)(
  'contracts and the published schema of the standard (../shared/schemas, skipped where it is absent)',
  () => {
    const validate = hasSchema ? standard() : undefined

    test.each(contracts())('%s is one by the standard', (_, content) => {
      validate?.(parse(content))

      expect(validate?.errors ?? []).toEqual([])
    })

    test('every key of the standard is let through, and no other', () => {
      const schema = JSON.parse(readFileSync(schemaFile, 'utf8')) as {
        properties: object
        $defs: Record<string, { properties: object }>
      }
      const keysOf = (...names: string[]) => names.flatMap((name) => Object.keys(schema.$defs[name]?.properties ?? {}))
      const fill = (keys: readonly string[], given: object) => ({
        ...Object.fromEntries(keys.map((key) => [key, undefined])),
        ...given,
      })
      const property = fill(keysOf('SchemaElement', 'SchemaBaseProperty'), {
        name: 'a',
        logicalType: 'string',
        items: undefined,
      })
      const rule = fill(keysOf('DataQuality', 'DataQualityLibrary', 'DataQualitySql', 'DataQualityCustom'), {
        type: 'text',
      })
      const object = fill(keysOf('SchemaElement', 'SchemaObject'), {
        name: 'a',
        properties: [property],
        quality: [rule],
      })
      const contract = fill(Object.keys(schema.properties), {
        version: '1',
        apiVersion: 'v3.1.0',
        kind: 'DataContract',
        id: 'a',
        status: 'a',
        schema: [object],
      })

      expect(problemsOf(contract)).toEqual([])
      expect(problemsOf({ ...contract, surplus: 1 })).toEqual(['unknown key `surplus`'])
    })
  },
)

/** JSON is YAML. Keys without a value are NULL in it, which most of them may not be: only those that nobody reads stay. */
function problemsOf(contract: object): string[] {
  const problems = new Problems()
  readContract(
    'c.yaml',
    JSON.stringify(contract, (_, value: unknown) => (value === undefined ? '#' : value)),
    'a',
    problems,
  )
  return problems
    .sorted()
    .map(({ message }) => message)
    .filter((message) => message.startsWith('unknown key'))
}
