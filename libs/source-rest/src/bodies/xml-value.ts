import sax from 'sax'
import type { JsonValue } from '@cinelake/json-rows'

/** Nesting of elements. Deeper nesting is a mistake, or an attack on the stack. */
const MAX_DEPTH = 128

/** `strictEntities`: the five entities of XML, none of HTML's. Missing in the library's types. */
const OPTIONS: sax.SAXOptions & { readonly strictEntities: boolean } = { strictEntities: true, position: true }

/** Why a text is not valid XML, as text without values. */
export class XmlProblem extends Error {}

/**
 * XML as JSON: the root's name with its value. An element with only text is that text, an empty one is null;
 * any other is an object of its children by name (a list, if several have the same name), its attributes as `@name`
 * and its own text as `#text`. Only the five entities of XML are known; DTD definitions are ignored, so that nothing expands.
 * @throws {XmlProblem}
 */
export function xmlValue(text: string): JsonValue {
  const parser = sax.parser(true, OPTIONS)
  const open: Element[] = [{ name: '', children: new Map(), text: '' }]
  const problem = (what: string) => new XmlProblem(`${what} in line ${parser.line + 1}`)
  const addText = (piece: string) => {
    const element = open.at(-1)
    if (element !== undefined) element.text += piece
  }
  Object.assign(parser, {
    onopentag({ name, attributes }: sax.Tag) {
      if (open.length > MAX_DEPTH) throw problem(`more than ${MAX_DEPTH} elements within each other`)
      open.push({ name, children: attributesOf(attributes), text: '' })
    },
    ontext: addText,
    oncdata: addText,
    onclosetag: () => closeElement(open),
    onerror() {
      // The parser's own message quotes its input.
      throw problem('something that is not well-formed')
    },
  } satisfies Partial<sax.SAXParser>)
  parser.write(text).close()
  const [root] = open
  if (root === undefined || root.children.size === 0) throw new XmlProblem('no element')
  return valueOf(root)
}

type Element = { readonly name: string; readonly children: Map<string, JsonValue[]>; text: string }

function attributesOf(attributes: sax.Tag['attributes']): Element['children'] {
  const own = Object.entries(attributes).filter(([name]) => !/^xmlns(?::|$)/.test(name))
  return new Map(own.map(([name, value]) => [`@${name}`, [value]]))
}

function closeElement(open: Element[]): void {
  const element = open.pop()
  const parent = open.at(-1)
  if (element === undefined || parent === undefined) return
  const siblings = parent.children.get(element.name)
  if (siblings === undefined) parent.children.set(element.name, [valueOf(element)])
  else siblings.push(valueOf(element))
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
