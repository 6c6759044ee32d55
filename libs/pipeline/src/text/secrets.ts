import { z } from 'zod'
import { text } from './schema-words.ts'
import type { YamlPath } from './yaml-text.ts'

/**
 * How secret the values of a schema node are, kept with the node: whoever adds a field decides it there.
 * `always`: the value has to be `${secret:NAME}`. `maybe`: it may hold a secret (an address with a password, a header).
 * Values of both kinds, and of whatever holds one, are shown in no message.
 */
export type Secrecy = 'always' | 'maybe'

const marked = <Schema extends z.ZodType>(schema: Schema, secret: Secrecy): Schema => schema.meta({ secret })

/** A text that is a secret: a token, a password, a key. */
export const secretText = marked(text, 'always').describe('`${secret:NAME}`')

/** Marks a field that may hold a secret. */
export const mayBeSecret = <Schema extends z.ZodType>(schema: Schema): Schema => marked(schema, 'maybe')

type Node = z.core.$ZodType

/** The mark of a node, looked for through what is around it: optional, default, a transformation. */
export function secrecyOf(node: Node): Secrecy | undefined {
  const mark = z.globalRegistry.get(node)?.['secret']
  if (mark === 'always' || mark === 'maybe') return mark
  const inner = isWrapper(node) ? unwrapped(node) : []
  return inner.map(secrecyOf).find((found) => found !== undefined)
}

/** What a value of a path is in the schema. */
export type Sensitivity = {
  /** Whether the value may not be shown: it is, or may hold, a secret, or it is not known what it is. */
  readonly hidden: boolean
  /** Of a marked field, or of something in one. */
  readonly secrecy?: Secrecy
  /** The path as far as its steps are names of fields: what is in a marked field is not shown either. */
  readonly shown: YamlPath
}

/** Looks up a path: through optional fields, lists, records, and all the forms that a union allows. */
export function sensitivityOf(schema: Node, path: YamlPath): Sensitivity {
  let nodes: readonly Node[] = forms(schema)
  for (const [index, step] of path.entries()) {
    const secrecy = strongest(nodes)
    if (secrecy !== undefined) return { hidden: true, secrecy, shown: path.slice(0, index) }
    const next = nodes.flatMap((node) => childrenOf(node, step)).flatMap((child) => forms(child))
    // Not in the schema: what was meant is unknown, and it may have been a secret.
    if (next.length === 0) return { hidden: nodes.some((node) => holdsSecret(node)), shown: path.slice(0, index + 1) }
    nodes = next
  }
  const secrecy = strongest(nodes)
  return {
    hidden: nodes.some((node) => holdsSecret(node)),
    ...(secrecy === undefined ? {} : { secrecy }),
    shown: path,
  }
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
  if (secrecyOf(node) !== undefined) return [node]
  const inner = stepsInto(node).flatMap(([step, child]) => (step === undefined ? [child] : []))
  return inner.length === 0 ? [node] : inner.flatMap((child) => forms(child, [...above, node]))
}
