import { isObject, type JsonArray, type JsonObject, type JsonValue } from '@cinelake/json-rows'
import { type JsonPath, singlePath } from './json-path.ts'

/**
 * The elements at a path in a document of XML, as files have them: a name stands for all elements of that name, also above the
 * records, and `[0]` and `[*]` behind it for one or all of those within one element, be there one or several.
 * @param document the root's name with its value
 * @returns a single element of a path without `[*]` as itself; undefined for a path of another kind, and where nothing is
 */
export function elementsAt(document: JsonValue, text: string): JsonValue | undefined {
  const parts = text.split('[*]')
  const paths = parts.map((part, index) => singlePath(index === 0 ? part : `$${part}`))
  // Behind the document and its root `[*]` means their fields: there is never a second one.
  const startsBelowRoot = parts.length === 1 || (paths[0]?.length ?? 0) > 1
  if (!startsBelowRoot || paths.some((path) => path === undefined)) return undefined
  const found = paths.reduce<JsonValue[]>((elements, path) => below(elements, path ?? []), [document])
  const isOne = parts.length === 1 && found.length === 1
  return found.length === 0 ? undefined : isOne ? found[0] : found
}

function below(elements: readonly JsonValue[], path: JsonPath): JsonValue[] {
  let groups: readonly (readonly JsonValue[])[] = [elements]
  for (const step of path) {
    groups =
      typeof step === 'number'
        ? groups.map((group) => group.slice(step, step === -1 ? undefined : step + 1))
        : groups.flat().map((element) => childrenOf(element, step))
  }
  return groups.flat()
}

function childrenOf(element: JsonValue, name: string): readonly JsonValue[] {
  if (!isObject(element) || !Object.hasOwn(element, name)) return []
  const child = (element as JsonObject)[name]
  if (Array.isArray(child)) return child as JsonArray
  return child === undefined ? [] : [child]
}
