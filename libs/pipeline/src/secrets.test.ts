// @module-tag slow: takes long
import { array, assert, asyncProperty, constantFrom, integer, property, string } from 'fast-check'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import type { z } from 'zod'
import { textFolder } from './fixtures/text-folder.fixture.ts'
import { formatProblem, secrecyOf, secretFieldsOf, sensitivityOf } from '@cinelake/config-text'
import { pipelineError, readPipeline } from './read-pipeline.ts'
import { pipelineJsonSchema, PipelineText } from './text/pipeline-schema.ts'

type Schema = z.core.$ZodTypes
type Field = {
  readonly name: string
  readonly always: boolean
  /** The smallest text that has the field: with `value` there, or in the place of what is `above` steps around it. */
  readonly put: (value: unknown, above: number) => unknown
  readonly depth: number
  /** Whether the keys of what is `above` steps around it are the schema's, and no names that the writer gives. */
  readonly hasOwnKeys: (above: number) => boolean
}

/** Every marked field of the schema, found by walking it, with the discriminators that lead to it. */
function fieldsOf(
  schema: Schema,
  steps: readonly { readonly key: string | number; readonly beside: object; readonly named: boolean }[] = [],
): Field[] {
  const secrecy = secrecyOf(schema)
  if (secrecy !== undefined) {
    const put = (value: unknown, above: number) =>
      steps
        .slice(0, steps.length - above)
        .reduceRight<unknown>(
          (inner, { key, beside }) => (typeof key === 'number' ? [inner] : { ...beside, [key]: inner }),
          value,
        )
    const name = steps.map(({ key, beside }) => ('type' in beside ? `(${String(beside.type)}) ${key}` : key)).join('.')
    return [
      {
        name,
        always: secrecy === 'always',
        put,
        depth: steps.length,
        hasOwnKeys: (above) => steps.at(-above)?.named === false,
      },
    ]
  }
  const into = (child: z.core.$ZodType, key?: string | number, beside: object = {}, named = false) =>
    fieldsOf(child as Schema, key === undefined ? steps : [...steps, { key, beside, named }])
  const { def } = schema._zod
  switch (def.type) {
    case 'object': {
      const entries = Object.entries(def.shape) as [string, Schema][]
      const beside = Object.fromEntries(
        entries.flatMap(([key, child]) => (child._zod.def.type === 'literal' ? [[key, child._zod.def.values[0]]] : [])),
      )
      return entries.flatMap(([key, child]) => into(child, key, beside))
    }
    case 'record':
      return into(def.valueType, 'some_name', {}, true)
    case 'array':
      return into(def.element, 0)
    case 'union':
      return def.options.flatMap((option) => into(option))
    case 'optional':
    case 'default':
    case 'nullable':
      return into(def.innerType)
    case 'pipe':
      return into(def.in)
    default:
      return []
  }
}

const FIELDS = fieldsOf(PipelineText)

test('the schemas mark fields of every kind of source that has any', () => {
  const found = [...secretFieldsOf(PipelineText)].map(({ path, secrecy }) => `${path.slice(2).join('.')} ${secrecy}`)
  const named = new Set(found)

  // Each mark is one that the property below puts values into.
  expect(FIELDS).toHaveLength(found.length)
  expect(FIELDS.filter(({ always }) => always)).toHaveLength(found.filter((text) => text.endsWith('always')).length)
  for (const field of [
    'token',
    'password',
    'key',
    'clientSecret',
    'refreshToken',
    'secretAccessKey',
    'sessionToken',
    'keys.0',
  ])
    expect(named).toContain(`auth.${field} always`)
  for (const field of ['url', 'baseUrl', 'headers.*', 'auth.parameters.*', 'auth.claims.*', 'datasets.*.query.*'])
    expect(named).toContain(`${field} maybe`)
})

test('editors learn which fields are secrets', () => {
  const schema = JSON.stringify(pipelineJsonSchema())

  expect(schema).toContain('"writeOnly":true')
  expect(schema).not.toContain('"secret":')
})

/** Values of every shape with a secret in them. */
const VALUES: readonly ((secret: string, digits: number) => unknown)[] = [
  (secret) => secret,
  (_, digits) => digits,
  (_, digits) => -digits / 100,
  () => true,
  () => null,
  (secret) => [secret],
  (secret) => [[secret], { value: secret }],
  (_, digits) => [digits],
  (secret) => ({ value: secret }),
  (secret) => ({ type: secret, keys: secret }),
  (secret, digits) => ({ a: { b: [secret, digits, { c: secret }] } }),
  (secret) => `first\n${secret}\n  last\n`,
  (secret) => secret.repeat(5000),
  (secret) => `${secret}://${secret}:${secret}@${secret}/?key=${secret}`,
  (secret) => `\${${secret}!} \${secret:${secret} ${secret}}`,
]

/** The same with a secret as a key. */
const KEYS: readonly ((secret: string) => unknown)[] = [
  (secret) => [[secret], { [secret]: secret }],
  (secret) => ({ [secret]: null }),
  (secret) => ({ type: secret, keys: secret, [secret]: [] }),
]

/** What YAML takes for something else, or does not take at all. */
const SPELLINGS: readonly ((secret: string) => string)[] = [
  (secret) => `*${secret}`,
  (secret) => `&${secret}`,
  (secret) => `&${secret} !${secret} x`,
  (secret) => `!${secret} x`,
  (secret) => `!<${secret}> x`,
  (secret) => `!${secret}! x`,
  (secret) => `"${secret}`,
  (secret) => `'${secret}`,
  (secret) => `"\\q${secret}"`,
  (secret) => `"\\u${secret}"`,
  (secret) => `@${secret}`,
  (secret) => `%${secret}`,
  (secret) => `\`${secret}`,
  (secret) => `{${secret}`,
  (secret) => `{ ${secret} }`,
  (secret) => `[${secret}`,
  (secret) => `[${secret}]]`,
  (secret) => `|${secret}`,
  (secret) => `>${secret}\n${secret}`,
  (secret) => `${secret}: ${secret}: ${secret}`,
  (secret) => `- ${secret}`,
  (secret) => `x\n${secret}\n - ${secret}`,
  (secret) => `? ${secret}\n: ${secret}`,
  (secret) => `x\n...\n%${secret} ${secret}\n--- ${secret}`,
]

const SECRET = string({
  unit: constantFrom('a', 'b', 'k', 'X', 'Z', '0', '4', '9', '_', '-'),
  minLength: 4,
  maxLength: 12,
}).map((text) => `h7${text}Q9`)

async function outputOf(pipeline: string): Promise<string> {
  const { problems } = await readPipeline(textFolder({ 'pipeline.yaml': pipeline }))
  return [...problems.map(formatProblem), JSON.stringify(problems), pipelineError('x', problems).message].join('\n')
}

const FRAME = { pipeline: 'shop', schedule: { every: 'day', start: '2026-03-01' } }
/** A discriminator that leads nowhere: what was meant is not known then. */
const lost = (yaml: string) =>
  yaml.replaceAll(/type: (?:bearer|basic|apiKey|oauth2|jwt|rest|database|push)\b/g, 'type: x')

test.each(FIELDS)(
  '$name: a wrong value is shown nowhere, whatever its shape',
  async ({ put, depth, always, hasOwnKeys }) => {
    await assert(
      asyncProperty(SECRET, integer({ min: 7_771_000_001, max: 7_771_999_999 }), async (secret, digits) => {
        for (let above = 0; above < depth; above += 1) {
          for (const shape of above === 0 || hasOwnKeys(above) ? [...VALUES, ...KEYS] : VALUES) {
            const yaml = stringify({ ...FRAME, ...(put(shape(secret, digits), above) as object) })
            for (const text of [yaml, lost(yaml)]) {
              const output = await outputOf(text)
              expect(output).not.toContain(secret)
              expect(output).not.toContain('7771')
              expect(above === 0 && always && output.includes('in quotes')).toBe(false)
            }
          }
        }
        const marked = stringify({ ...FRAME, ...(put('MARK', 0) as object) })
        for (const spelling of SPELLINGS) {
          expect(await outputOf(marked.replace('MARK', () => spelling(secret)))).not.toContain(secret)
        }
      }),
      { numRuns: 3 },
    )
  },
)

test('a value whose place is not in the schema is hidden where a secret could be meant, and shown elsewhere', () => {
  const at = (...path: (string | number)[]) => sensitivityOf(PipelineText, path)

  assert(
    property(array(string(), { maxLength: 3 }), (rest) => {
      expect(at('sources', 'x', 'auth', 'tokn', ...rest).hidden).toBe(true)
      expect(at('sources', 'x', 'headers', 'X-Api-Key', ...rest)).toMatchObject({ hidden: true, secrecy: 'maybe' })
    }),
  )
  expect(at('sources', 'x', 'auth', 'keys', 3)).toMatchObject({ hidden: true, secrecy: 'always' })
  expect(at('sources', 'x', 'auth').hidden).toBe(true)
  expect(at('retry', 'attempts').hidden).toBe(false)
  expect(at('sources', 'x', 'datasets', 'y', 'mode').hidden).toBe(false)
})
