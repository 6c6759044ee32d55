import { z } from 'zod'
import { text } from './schema-words.ts'
import type { YamlPath } from './yaml-text.ts'

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
export type SecretPlace =
  | 'databaseAddress'
  | 'address'
  | 'path'
  | 'header'
  | 'queryParameter'
  | 'bodyField'
  | 'tokenField'

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
      return { hidden: true, secrecy, ...placeOf(nodes), isFilled: true, shown: path.slice(0, index) }
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
    ...(secrecy === undefined ? {} : { secrecy, ...placeOf(nodes) }),
    isFilled: nodes.some(isFilled),
    shown: path,
  }
}

const isFilled = (node: Node) => marksOf(node) !== undefined

function placeOf(nodes: readonly Node[]): { readonly place?: SecretPlace } {
  const place = nodes.map((node) => marksOf(node)?.secretPlace).find((found) => found !== undefined)
  return place === undefined ? {} : { place }
}

function strongest(nodes: readonly Node[]): Secrecy | undefined {
  const marks = new Set(nodes.map(secrecyOf))
  return marks.has('always') ? 'always' : marks.has('maybe') ? 'maybe' : undefined
}

/** A marked field of a schema. In its path `*` stands for a name of a record, 0 for a place in a list. */
export type SecretField = { readonly path: YamlPath; readonly secrecy: Secrecy; readonly node: Node }

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
