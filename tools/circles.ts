import { posix } from 'node:path'
import { importsOf, type Breach, type Package, type Source } from './boundaries.ts'

/** One file's import of another of its package. Types count: a reader of the one has to read the other. */
type Import = { readonly from: string; readonly to: string; readonly line: number }

/**
 * Finds files of a package that import each other in a circle. Each circle is told once, at the import that closes it: the
 * one that leads back to the file from which the others were reached. Without those imports there is no circle left.
 * @param known imports that close a circle and are still to go; one that closes none any more is told
 */
export function checkCircles(
  packages: readonly Package[],
  sources: readonly Source[],
  known: readonly string[] = [],
): Breach[] {
  const circles = packages.flatMap(({ folder }) => {
    const own = sources.filter(({ path }) => path.startsWith(`${folder}/`))
    return circlesOf(importsWithin(own)).map((files) => ({ folder, files, closing: closingOf(files) }))
  })
  const closings = new Set(circles.map(({ closing }) => nameOfImport(closing)))
  return [
    ...circles.flatMap((circle) => (known.includes(nameOfImport(circle.closing)) ? [] : [breachOf(circle)])),
    ...known
      .filter((one) => !closings.has(one))
      .map((one) => ({ where: 'tools/circles.ts', message: `${one} closes no circle any more: remove it from KNOWN` })),
  ]
}

/** What files import of each other: of several imports of one file the first. */
function importsWithin(sources: readonly Source[]): Import[] {
  const paths = new Set(sources.map(({ path }) => path))
  return sources.flatMap(({ path: from, text }) => {
    const byFile = new Map<string, Import>()
    for (const { specifier, line } of importsOf(text)) {
      const to = posix.join(posix.dirname(from), specifier)
      if (specifier.startsWith('.') && paths.has(to) && !byFile.has(to)) byFile.set(to, { from, to, line })
    }
    return [...byFile.values()]
  })
}

/** Circles, shortest first, each without the imports that close those before it. The last import of each closes it. */
function circlesOf(imports: readonly Import[]): Import[][] {
  const circles: Import[][] = []
  let left = imports
  for (;;) {
    const shortest = left
      .map((first) => [first, ...(pathBetween(first.to, first.from, left) ?? [])])
      .filter((circle) => circle.at(-1)?.to === circle[0]?.from)
      .reduce<Import[] | undefined>((best, circle) => (best && best.length <= circle.length ? best : circle), undefined)
    if (shortest === undefined) return circles
    circles.push(shortest)
    left = left.filter((one) => one !== shortest.at(-1))
  }
}

/** The shortest way from one file to another; none: undefined; to itself: empty. */
function pathBetween(from: string, to: string, imports: readonly Import[]): Import[] | undefined {
  const ways = new Map<string, readonly Import[]>([[from, []]])
  for (const [file, way] of ways) {
    if (file === to) return [...way]
    for (const one of imports) if (one.from === file && !ways.has(one.to)) ways.set(one.to, [...way, one])
  }
  return undefined
}

function closingOf(circle: readonly Import[]): Import {
  const closing = circle.at(-1)
  if (closing === undefined) throw new RangeError('a circle has at least one import')
  return closing
}

function nameOfImport({ from, to }: Import): string {
  return `${posix.basename(from)} → ${posix.basename(to)}`
}

type Circle = { readonly folder: string; readonly files: readonly Import[]; readonly closing: Import }

function breachOf({ folder, files, closing }: Circle): Breach {
  const names = [...files.map(({ from }) => from), closing.to].map((path) => posix.relative(folder, path))
  return {
    where: `${closing.from}:${closing.line}`,
    message:
      `imports ${closing.to}, which closes a circle of files: ${names.join(' → ')}; ` +
      'move what both ends need into one of them, or into a file below both',
  }
}
