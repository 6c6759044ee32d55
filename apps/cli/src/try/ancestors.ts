import { isMap, isScalar, type Document } from 'yaml'

/** The names in a mapping of a pipeline's text. */
export function keysOf(document: Document, place: readonly string[]): string[] {
  const node = document.getIn(place)
  return isMap(node) ? node.items.map(({ key }) => String(isScalar(key) ? key.value : key)) : []
}

/**
 * Takes all datasets of a source out of a pipeline's text, but for one and those whose rows it is made of.
 * @returns what is left
 */
export function withoutOthers(document: Document, source: string, dataset: string): string[] {
  const place = ['sources', source, 'datasets']
  const all = keysOf(document, place)
  const kept = new Set<string>()
  for (let next: string | undefined = dataset; next !== undefined && !kept.has(next);) {
    kept.add(next)
    next = parentOf(document, place, next, all)
  }
  for (const other of all) {
    if (!kept.has(other)) document.deleteIn([...place, other])
    else keepLists(document, [...place, other, 'explode'], kept)
  }
  return all.filter((name) => kept.has(name))
}

/** The dataset that a path names (`/users/{users.id}/devices`), or that has the list which is exploded into this one. */
function parentOf(
  document: Document,
  place: readonly string[],
  name: string,
  all: readonly string[],
): string | undefined {
  const path = document.getIn([...place, name, 'path'])
  return all.find(
    (other) =>
      other !== name &&
      ((typeof path === 'string' && path.includes(`{${other}.`)) ||
        keysOf(document, [...place, other, 'explode']).some(
          (list) => document.getIn([...place, other, 'explode', list]) === name,
        )),
  )
}

function keepLists(document: Document, explode: readonly string[], kept: ReadonlySet<string>): void {
  for (const list of keysOf(document, explode)) {
    if (!kept.has(String(document.getIn([...explode, list])))) document.deleteIn([...explode, list])
  }
  if (document.hasIn(explode) && keysOf(document, explode).length === 0) document.deleteIn(explode)
}
