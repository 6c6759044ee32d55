import { compilePattern, exactly, repeat, sequence } from '@cinelake/core'
import path from 'node:path'

// Paths of this machine, by the rules of its operating system. Tests pass the rules of another.

type Rules = Pick<typeof path, 'isAbsolute' | 'join' | 'relative' | 'resolve' | 'sep'>

/** Whether a path is within a folder. Both are absolute, with every link resolved. */
export function isBelow(folder: string, file: string, rules: Rules = path): boolean {
  const way = rules.relative(folder, file)
  // There is no relative path between two drives.
  return way !== '' && way !== '..' && !way.startsWith(`..${rules.sep}`) && !rules.isAbsolute(way)
}

/** The archive folder: below the source's folder unless another is declared. */
export function archiveFolder(folder: string, archive: string, rules: Rules = path): string {
  return rules.isAbsolute(archive) ? rules.resolve(archive) : rules.resolve(folder, archive)
}

/** The local path of a name below a folder. @param name with `/`, as in the lake */
export function fileBelow(folder: string, name: string, rules: Rules = path): string {
  return rules.join(folder, ...name.split('/'))
}

/** The name of the marker file that says that a file is complete. @param name with `/` */
export function markerOf(name: string, marker: string): string {
  const slash = name.lastIndexOf('/') + 1
  const base = name.slice(slash)
  const dot = base.lastIndexOf('.')
  const stem = dot > 0 ? base.slice(0, dot) : base
  return `${name.slice(0, slash)}${marker.replaceAll('{name}', () => base).replaceAll('{stem}', () => stem)}`
}

/** Whether a name is that of a marker, not of data. @param name with `/` */
export function isMarker(name: string, marker: string): boolean {
  const some = repeat({ kind: 'char', test: () => true }, 1)
  const parts = marker
    .split(/\{(?:name|stem)\}/)
    .flatMap((text, index) => [...(index > 0 ? [some] : []), exactly(text)])
  return compilePattern(sequence(...parts)).match(name.slice(name.lastIndexOf('/') + 1)) !== undefined
}

/** Whether a marker belongs to one file only, and is archived with it. */
export function isOwnMarker(marker: string): boolean {
  return marker.includes('{name}') || marker.includes('{stem}')
}
