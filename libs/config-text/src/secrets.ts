import { z } from 'zod'
import { text } from './schema-words.ts'
import type { YamlPath } from './yaml-text.ts'

/** `${NAME}`, `${NAME:-default}` or `${secret:NAME}`: the same forms that are filled when the text is used. */
const PLACEHOLDER =
  /\$\{(?:secret:(?<secret>[A-Za-z0-9][A-Za-z0-9._-]*)|(?<setting>[A-Za-z_]\w*)(?::-(?<fallback>[^}]*))?)\}/g

export type Placeholder = {
  readonly name: string
  readonly secret: boolean
  /** What stands in for a setting that is not there. */
  readonly fallback?: string
}

/** The placeholders of a text, and what looks like one but is none. */
export function placeholdersOf(text: string): { readonly found: Placeholder[]; readonly malformed: string[] } {
  const found = [...text.matchAll(PLACEHOLDER)].map(({ groups }) => ({
    name: groups?.['secret'] ?? groups?.['setting'] ?? '',
    secret: groups?.['secret'] !== undefined,
    ...(groups?.['fallback'] === undefined ? {} : { fallback: groups['fallback'] }),
  }))
  const rest = text.replaceAll(PLACEHOLDER, '')
  const malformed = [...rest.matchAll(/\$\{[^}]*\}?/g)].map(([form]) => form)
  return { found, malformed }
}

/** A text with each placeholder replaced by one word, to look at the form of what is around them. */
export function withoutPlaceholders(text: string, word = 'x'): string {
  return text.replaceAll(PLACEHOLDER, word)
}

/**
 * How secret the values of a schema node are, kept with the node: it is decided where the field is added.
 * `always`: the value has to be `${secret:NAME}`. `maybe`: it may hold a secret (an address with a password, a header).
 * Values of both kinds, and of whatever holds one, are shown in no message.
 */
export type Secrecy = 'always' | 'maybe'

/**
 * What of a value that may hold a secret is one. `databaseAddress`, `address`: the password in it. `path`: query parameters.
 * The others are fields whose names tell: of requests (`header`, `queryParameter`, `bodyField`), of token requests (`tokenField`).
 */
type SecretPlace = 'databaseAddress' | 'address' | 'path' | 'header' | 'queryParameter' | 'bodyField' | 'tokenField'

/** Marks of a node. They stay where the node is described, and go where it is wrapped. */
type Marks = { readonly secret?: Secrecy; readonly secretPlace?: SecretPlace; readonly filled?: true }

const marked = <Schema extends z.ZodType>(schema: Schema, marks: Marks): Schema => schema.meta({ ...marks })

/** A text that is a secret: a token, a password, a key. */
export const secretText = marked(text, { secret: 'always' }).describe('`${secret:NAME}`')

/** Marks a field that may hold a secret. */
export const mayBeSecret = <Schema extends z.ZodType>(schema: Schema, place: SecretPlace = 'address'): Schema =>
  marked(schema, { secret: 'maybe', secretPlace: place })

/** Marks a field in which placeholders are filled. Those that are, or may hold, a secret need no such mark. */
export const filled = <Schema extends z.ZodType>(schema: Schema): Schema => marked(schema, { filled: true })

/** What the marks are called in the metadata of a node, for who writes them out. */
export const MARKS: readonly (keyof Marks)[] = ['secret', 'secretPlace', 'filled']

type Node = z.core.$ZodType

/** The marks of a node, looked for through what is around it: optional, default, a transformation. */
function marksOf(node: Node): Marks | undefined {
  const marks = z.globalRegistry.get(node) as Marks | undefined
  if (marks?.secret !== undefined || marks?.filled === true) return marks
  const inner = isWrapper(node) ? unwrapped(node) : []
  return inner.map(marksOf).find((found) => found !== undefined)
}

/** How secret the values of a node are. */
export function secrecyOf(node: Node): Secrecy | undefined {
  return marksOf(node)?.secret
}

/** What a value of a path is in the schema. */
export type Sensitivity = {
  /** Whether the value may not be shown: it is, or may hold, a secret, or it is not known what it is. */
  readonly hidden: boolean
  /** Of a marked field, or of something in one. */
  readonly secrecy?: Secrecy
  /** Of a field that may hold a secret: what of it. */
  readonly place?: SecretPlace
  /** Whether placeholders are filled there. Of a key that no schema has: whether they are beside it. */
  readonly isFilled: boolean
  /** The path as far as its steps are names of fields: what is in a marked field is not shown either. */
  readonly shown: YamlPath
}

/** Looks up a path: through optional fields, lists, records, and all the forms that a union allows. */
export function sensitivityOf(schema: Node, path: YamlPath): Sensitivity {
  let nodes: readonly Node[] = forms(schema)
  for (const [index, step] of path.entries()) {
    const secrecy = strongest(nodes)
    if (secrecy !== undefined)
      return { hidden: true, secrecy, ...secretPlaceOf(nodes), isFilled: true, shown: path.slice(0, index) }
    const next = nodes.flatMap((node) => childrenOf(node, step)).flatMap((child) => forms(child))
    if (next.length === 0) {
      // Not in the schema: what was meant is unknown, and it may have been a secret.
      const beside = nodes.flatMap((node) => stepsInto(node).map(([, child]) => child)).flatMap((child) => forms(child))
      const hidden = nodes.some((node) => holdsSecret(node))
      return { hidden, isFilled: [...nodes, ...beside].some(isFilled), shown: path.slice(0, index + 1) }
    }
    nodes = next
  }
  const secrecy = strongest(nodes)
  return {
    hidden: nodes.some((node) => holdsSecret(node)),
    ...(secrecy === undefined ? {} : { secrecy, ...secretPlaceOf(nodes) }),
    isFilled: nodes.some(isFilled),
    shown: path,
  }
}

const isFilled = (node: Node) => marksOf(node) !== undefined

function secretPlaceOf(nodes: readonly Node[]): { readonly place?: SecretPlace } {
  const place = nodes.map((node) => marksOf(node)?.secretPlace).find((found) => found !== undefined)
  return place === undefined ? {} : { place }
}

function strongest(nodes: readonly Node[]): Secrecy | undefined {
  const marks = new Set(nodes.map(secrecyOf))
  return marks.has('always') ? 'always' : marks.has('maybe') ? 'maybe' : undefined
}

/** A marked field of a schema. In its path `*` stands for a name of a record, 0 for a place in a list. */
type SecretField = { readonly path: YamlPath; readonly secrecy: Secrecy; readonly node: Node }

/** Every marked field of a schema, once per form of a union that has it. */
export function* secretFieldsOf(
  schema: Node,
  path: YamlPath = [],
  above: readonly Node[] = [],
): Generator<SecretField> {
  const secrecy = secrecyOf(schema)
  if (secrecy !== undefined) yield { path, secrecy, node: schema }
  if (secrecy !== undefined || above.includes(schema)) return
  for (const [step, child] of stepsInto(schema)) {
    yield* secretFieldsOf(child, step === undefined ? path : [...path, step], [...above, schema])
  }
}

const holding = new WeakMap<Node, boolean>()

function holdsSecret(node: Node): boolean {
  const known = holding.get(node)
  if (known !== undefined) return known
  const holds = !secretFieldsOf(node).next().done
  holding.set(node, holds)
  return holds
}

/** What a node is made of; without a step where it only wraps another, or is one of several forms. */
function stepsInto(node: Node): readonly (readonly [step: string | number | undefined, child: Node])[] {
  const { def } = (node as z.core.$ZodTypes)._zod
  switch (def.type) {
    case 'object':
      return Object.entries(def.shape)
    case 'record':
      return [['*', def.valueType]]
    case 'array':
      return [[0, def.element]]
    case 'tuple':
      return def.items.map((item, index) => [index, item] as const)
    case 'intersection':
      return [
        [undefined, def.left],
        [undefined, def.right],
      ]
    default:
      return unwrapped(node).map((inner) => [undefined, inner] as const)
  }
}

function childrenOf(node: Node, step: string | number): readonly Node[] {
  return stepsInto(node).flatMap(([name, child]) => {
    const fits = name === '*' || name === step || (typeof name === 'number' && typeof step === 'number')
    return fits ? [child] : []
  })
}

function isWrapper(node: Node): boolean {
  const { def } = (node as z.core.$ZodTypes)._zod
  return def.type !== 'union' && unwrapped(node).length > 0
}

function unwrapped(node: Node): readonly Node[] {
  const { def } = (node as z.core.$ZodTypes)._zod
  switch (def.type) {
    case 'union':
      return def.options
    case 'lazy':
      return [def.getter()]
    case 'pipe':
      return [def.in]
    case 'optional':
    case 'nullable':
    case 'nonoptional':
    case 'default':
    case 'prefault':
    case 'catch':
    case 'readonly':
      return [def.innerType]
    default:
      return []
  }
}

/** The forms that a value of a node may have: of a union its options, else the node; marked nodes stay as they are. */
function forms(node: Node, above: readonly Node[] = []): readonly Node[] {
  if (above.includes(node)) return []
  if (marksOf(node) !== undefined) return [node]
  const inner = stepsInto(node).flatMap(([step, child]) => (step === undefined ? [child] : []))
  return inner.length === 0 ? [node] : inner.flatMap((child) => forms(child, [...above, node]))
}

/** A part of a text that has to be kept as a secret. */
type SecretPart = {
  /** What it is called in messages. */
  readonly what: string
  readonly value: string
  /** `${secret:NAME}` and no more; otherwise what tells how it is meant may stand around it: `Bearer ${secret:NAME}`. */
  readonly alone: boolean
}

/**
 * What has to be kept as a secret of a text: all of it, the password of an address, or nothing.
 * @param name of its field; a number where it is in a list
 * @param field what its schema says of it
 */
export function secretPartsOf(
  name: string | number,
  value: string,
  { secrecy, place }: Pick<Sensitivity, 'secrecy' | 'place'>,
): readonly SecretPart[] {
  const key = String(name)
  if (secrecy === 'always') return [{ what: secretWord(typeof name === 'number' ? 'key' : name), value, alone: true }]
  if (place === 'header' && isSecretHeader(key)) return [{ what: `header \`${key}\``, value, alone: false }]
  if (place === 'tokenField' && isSecretParameter(key)) return [{ what: key, value, alone: false }]
  if (place === 'queryParameter' && isSecretField(key))
    return [{ what: `query parameter \`${key}\``, value, alone: false }]
  if (place === 'bodyField' && isSecretField(key))
    return [{ what: `field \`${key}\` of the body`, value, alone: false }]
  if (place === 'path') return parametersOf(value)
  return secrecy === undefined ? [] : passwordsOf(value, place === 'databaseAddress')
}

/**
 * Of an address, and of one that is the default of a setting.
 * @param ofDatabase a password may have slashes there; in other addresses an `@` behind one belongs to the path
 */
function passwordsOf(value: string, ofDatabase: boolean): SecretPart[] {
  const defaults = placeholdersOf(value).found.flatMap(({ fallback }) => fallback ?? [])
  return [value, ...defaults].flatMap((address) => {
    const password = passwordIn(address)
    const isNone = password === undefined || (!ofDatabase && withoutPlaceholders(password).includes('/'))
    return isNone ? [] : [{ what: 'password', value: password, alone: true }]
  })
}

function parametersOf(path: string): SecretPart[] {
  return [...new URLSearchParams(path.split('?')[1] ?? '')].flatMap(([name, value]) =>
    isSecretField(name) ? [{ what: `query parameter \`${name}\``, value, alone: false }] : [],
  )
}

/** Whether such a part is a secret. */
export function isKept({ value, alone }: SecretPart): boolean {
  const { found } = placeholdersOf(value)
  if (!alone) return found.some(({ secret }) => secret)
  return found.length > 0 && found.every(({ secret }) => secret) && withoutPlaceholders(value, '') === ''
}

/** What is called after a secret and only says of what kind it is: `client_assertion_type`, `X-Token-Type`. */
const ABOUT_SECRET = /[_-](?:type|use|format)$/i

/** Whether a header is called as those are that carry a secret. */
export function isSecretHeader(name: string): boolean {
  return /^(?:authorization|cookie|.*(?:api-?key|token|secret).*)$/i.test(name) && !ABOUT_SECRET.test(name)
}

/** Whether a field of a token request is called as secrets are. */
export function isSecretParameter(name: string): boolean {
  return /password|secret|token|assertion/i.test(name) && !ABOUT_SECRET.test(name)
}

/** Whether a query parameter or a field of a body carries nothing but a secret. Cursors are called tokens as well. */
export function isSecretField(name: string): boolean {
  return /^(?:(?:x-)?api[_-]?key|(?:access|auth|bearer)[_-]?token|client[_-]?secret|secret|password|passwd)$/i.test(
    name,
  )
}

/** What a secret of `auth` is called in messages. */
export function secretWord(key: string): string {
  return WORDS[key] ?? key
}

const WORDS: Readonly<Record<string, string>> = { clientSecret: 'client secret', refreshToken: 'refresh token' }

/** The password of an address that is no single placeholder. */
export function passwordIn(url: string): string | undefined {
  return /^[a-z]+:\/\/(?:\$\{[^}]*\}|[^/@:$]|\$(?!\{))*:(.+)@/i.exec(url)?.[1]
}
