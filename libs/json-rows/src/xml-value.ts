import type { JsonValue } from './json-text.ts'
import { XmlProblem, XmlReader } from './xml-reader.ts'

type Element = { readonly name: string; readonly children: Map<string, JsonValue[]>; text: string }

/**
 * Elements of XML as JSON. An element with only text is that text, an empty one is null; any other is an object of its
 * children by name (a list, if several have the same name), its attributes as `@name` and its own text as `#text`.
 */
export class XmlValues {
  readonly #open: Element[] = [{ name: '', children: new Map(), text: '' }]

  /** Elements that are open. */
  get depth(): number {
    return this.#open.length - 1
  }

  open(name: string, attributes: Readonly<Record<string, string>>): void {
    this.#open.push({ name, children: attributesOf(attributes), text: '' })
  }

  text(piece: string): void {
    const element = this.#open.at(-1)
    if (element !== undefined) element.text += piece
  }

  close(): void {
    const element = this.#open.pop()
    const parent = this.#open.at(-1)
    if (element === undefined || parent === undefined) return
    const siblings = parent.children.get(element.name)
    if (siblings === undefined) parent.children.set(element.name, [valueOf(element)])
    else siblings.push(valueOf(element))
  }

  /** An object of the elements that were closed, by name; undefined without any. */
  end(): JsonValue | undefined {
    const [root] = this.#open
    return root === undefined || root.children.size === 0 ? undefined : valueOf(root)
  }
}

/**
 * XML as JSON: the root's name with its value.
 * @throws {XmlProblem}
 */
export function xmlValue(text: string): JsonValue {
  const values = new XmlValues()
  const reader = new XmlReader(values)
  reader.push(text)
  reader.end()
  const value = values.end()
  if (value === undefined) throw new XmlProblem('no element')
  return value
}

function attributesOf(attributes: Readonly<Record<string, string>>): Element['children'] {
  const own = Object.entries(attributes).filter(([name]) => !/^xmlns(?::|$)/.test(name))
  return new Map(own.map(([name, value]) => [`@${name}`, [value]]))
}

function valueOf({ children, text }: Element): JsonValue {
  if (children.size === 0) return text === '' ? null : text
  const isNil = children.get('@xsi:nil')?.[0]
  if (isNil === 'true' || isNil === '1') return null
  const fields = [...children].map(([name, values]): [string, JsonValue] => [
    name,
    values.length === 1 ? (values[0] ?? null) : values,
  ])
  if (text.trim() !== '') fields.push(['#text', text])
  // By defineProperty, not by assignment: an element may be called __proto__.
  return Object.fromEntries(fields)
}
