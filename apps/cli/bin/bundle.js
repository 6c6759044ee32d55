// Where the bundle of a clone is, and whether it is one of the sources as they are now.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** The folder of this app. */
export const APP = join(import.meta.dirname, '..')

/** The folder of the repository. Only a clone has one. */
export const ROOT = join(APP, '../..')

/** Where bundles are kept, each in a folder of its own: a process goes on with the one that it began with. */
export const BUNDLES = join(APP, 'node_modules/.cache/cinelake')

/** Names the newest bundle and what it was made from. */
export const CURRENT = join(BUNDLES, 'current.json')

/** @typedef {{ readonly name: string, readonly inputs: Readonly<Record<string, string>> }} Current inputs: stamps by path below ROOT */

/**
 * Tells a file from what it was: any change, and another file in its place, has another one.
 * @param {string} path below ROOT
 * @returns {string} '' where there is no file
 */
export function stampOf(path) {
  const found = statSync(join(ROOT, path), { throwIfNoEntry: false })
  return found === undefined ? '' : `${found.size} ${found.mtimeMs} ${found.ctimeMs}`
}

/** @returns {Current | undefined} undefined where there is none yet */
export function readCurrent() {
  try {
    return JSON.parse(readFileSync(CURRENT, 'utf8'))
  } catch {
    return undefined
  }
}

/** @returns {string | undefined} the folder of the bundle; undefined where there is none, or it was made from other files */
export function currentBundle() {
  const current = readCurrent()
  if (current === undefined) return undefined
  for (const path in current.inputs) if (current.inputs[path] !== stampOf(path)) return undefined
  const bundle = join(BUNDLES, current.name)
  return existsSync(bundle) ? bundle : undefined
}
