import { compilePattern, exactly, repeat, sequence } from '@cinelake/core'
import path from 'node:path'

// Paths of this machine, by the rules of its system. Tests pass those of another.

type Rules = Pick<typeof path, 'isAbsolute' | 'join' | 'relative' | 'resolve' | 'sep'>

/** Whether a path is within a folder. Both are absolute, with every link followed. */
export function isBelow(folder: string, file: string, rules: Rules = path): boolean {
  const way = rules.relative(folder, file)
  // On another drive there is no way from one to the other.
  return way !== '' && way !== '..' && !way.startsWith(`..${rules.sep}`) && !rules.isAbsolute(way)
}

/** The folder for what has landed: below the source's unless it says where it is. */
export function archiveFolder(folder: string, archive: string, rules: Rules = path): string {
  return rules.isAbsolute(archive) ? rules.resolve(archive) : rules.resolve(folder, archive)
}

/** Where a file of this name is below a folder. @param name with `/`, as it is in the lake */
export function fileBelow(folder: string, name: string, rules: Rules = path): string {
  return rules.join(folder, ...name.split('/'))
}

/** The name of the file that says that another is complete. @param name with `/` */
export function markerOf(name: string, marker: string): string {
  const slash = name.lastIndexOf('/') + 1
  const base = name.slice(slash)
  const dot = base.lastIndexOf('.')
  const stem = dot > 0 ? base.slice(0, dot) : base
  return `${name.slice(0, slash)}${marker.replaceAll('{name}', () => base).replaceAll('{stem}', () => stem)}`
}

/** Whether a name is that of a marker and of no data. @param name with `/` */
export function isMarker(name: string, marker: string): boolean {
  const some = repeat({ kind: 'char', test: () => true }, 1)
  const parts = marker
    .split(/\{(?:name|stem)\}/)
    .flatMap((text, index) => [...(index > 0 ? [some] : []), exactly(text)])
  return compilePattern(sequence(...parts)).match(name.slice(name.lastIndexOf('/') + 1)) !== undefined
}

/** Whether a marker is of one file alone, and goes where that goes. */
export function isOwnMarker(marker: string): boolean {
  return marker.includes('{name}') || marker.includes('{stem}')
}
