#!/usr/bin/env node
// The command `cinelake`. In a clone it runs a bundle of the sources, which is made when there is none of them as they are now:
// Node would read some 500 files and strip their types at each start. Where there are no sources, it runs what was built.
import { existsSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { APP, currentBundle } from './bundle.js'

const SOURCE = join(APP, 'src/main.ts')

await (existsSync(SOURCE) ? runClone() : load(join(APP, 'dist/main.js')))

async function runClone() {
  const bundle = currentBundle() ?? (await makeBundle())
  if (bundle === undefined) return runSource()
  enableCompileCache(join(bundle, 'compiled'))
  await load(join(bundle, 'main.js'))
}

/** In a process of its own: the bundler's threads and memory are not for the command. */
async function makeBundle() {
  const { spawnSync } = await import('node:child_process')
  const script = join(import.meta.dirname, 'write-bundle.js')
  const { error, stderr, status } = spawnSync(process.execPath, [script], {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  })
  const told = error?.message ?? stderr.trim()
  const bundle = status === 0 ? currentBundle() : undefined
  if (told !== '') process.stderr.write(`cinelake: ${told}\n`)
  return bundle
}

/** As where nothing can be written, or the sources are being changed right now. */
async function runSource() {
  process.stderr.write('cinelake: no bundle could be made of the sources; this runs without one, and starts slower\n')
  const args = [...process.execArgv, '--conditions=@cinelake/source', SOURCE, ...process.argv.slice(2)]
  // Node has it on Windows as well, where it only throws.
  if (process.platform !== 'win32') process.execve?.(process.execPath, [process.execPath, ...args])
  await runChild(args)
}

/**
 * Runs Node in a process of its own, and ends as it ends.
 * @param {readonly string[]} args
 */
async function runChild(args) {
  const { spawn } = await import('node:child_process')
  const { constants } = await import('node:os')
  const child = spawn(process.execPath, args, { stdio: 'inherit' })
  // A terminal sends its signal to both: the child stops in order, and this one waits for it.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  process.exitCode = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])))
  })
}

/** @param {string} file */
async function load(file) {
  await import(pathToFileURL(file).href)
}
