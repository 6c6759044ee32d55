// Makes a bundle of the sources of a clone: program, commands and libs, with those of other people's packages that every command
// needs. Only bin/cinelake.js calls it.
import { createHash, randomBytes } from 'node:crypto'
import {
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, isAbsolute, join, relative, sep } from 'node:path'
import { rolldown } from 'rolldown'
import { APP, BUNDLES, CURRENT, readCurrent, ROOT, stampOf } from './bundle.js'

/**
 * Packages that go into the bundle: plain JavaScript that most commands load. All others are imported from where they are
 * installed, so that what they look for beside themselves - WebAssembly, programs, data - is there.
 */
const INLINED = new Set(['commander', 'temporal-polyfill', 'yaml', 'zod'])

/** Milliseconds that a bundle is kept after another has taken its place: processes may still be loading parts of it. */
const KEPT_MS = 24 * 60 * 60_000

/** `new URL('./file', import.meta.url)`: how sources name a file beside them. */
const FILE_BESIDE = /new URL\('([^']+)', import\.meta\.url\)/g

/** Which of two names a source takes goes by the ending of its own. */
const IS_SOURCE = "import.meta.url.endsWith('.ts')"

const LOCK = 'pnpm-lock.yaml'
/** What is installed, as pnpm notes it. */
const INSTALLED = 'node_modules/.pnpm/lock.yaml'

/** Besides the modules, what a bundle depends on: how packages name their modules, and what is installed. */
const about = [
  LOCK,
  INSTALLED,
  ...globSync(['{apps,libs}/*/package.json', 'apps/cli/bin/*.js'], { cwd: ROOT }).toSorted(),
]

const folder = join(BUNDLES, `${process.pid}-${randomBytes(4).toString('hex')}`)
try {
  if (read(LOCK) !== read(INSTALLED))
    process.stderr.write(`what is installed is not what ${LOCK} says; npx -y pnpm@12 install brings it\n`)
  // The bundler would tell of a folder that it may not make by a trace of its own.
  mkdirSync(folder, { recursive: true })
  await bundle(folder)
  removeOld()
} catch (error) {
  rmSync(folder, { recursive: true, force: true })
  // The bundler's message has the stack of each error in it.
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`${message.replaceAll(/\n {4}at .*/g, '')}\n`)
  process.exitCode = 1
}

/** @param {string} target a new folder below BUNDLES */
async function bundle(target) {
  // Stamps are taken before a file is read: what changes in between has another one at the next start.
  /** @type {Map<string, string>} */
  const inputs = new Map(about.map((path) => [path, stampOf(path)]))
  const build = await rolldown({
    input: { main: join(APP, 'src/main.ts') },
    platform: 'node',
    tsconfig: false,
    makeAbsoluteExternalsRelative: false,
    resolve: { conditionNames: ['@cinelake/source', 'node', 'import'], mainFields: ['main'] },
    logLevel: 'silent',
    plugins: [
      {
        name: 'cinelake',
        async resolveId(specifier, importer) {
          if (importer === undefined || specifier.startsWith('node:')) return null
          const [, name = ''] = /^((?:@[^/]+\/)?[^/]+)/.exec(specifier) ?? []
          const found = await this.resolve(specifier, importer, { skipSelf: true })
          if (found !== null && isSource(found.id)) return { ...found, moduleSideEffects: false }
          if (found === null)
            throw new Error(`${specifier}, which ${relative(ROOT, importer)} imports, is not installed`)
          if (found.external !== false) return found
          if (!isSource(importer) || INLINED.has(name)) return found
          return { id: found.id, external: true, moduleSideEffects: false }
        },
        load(id) {
          if (isSource(id)) inputs.set(relative(ROOT, id), stampOf(relative(ROOT, id)))
          return null
        },
        transform(code, id) {
          if (!isSource(id)) return null
          // What nobody takes anything from is left out.
          if (/^import ['"]/m.test(code))
            throw new Error(`${relative(ROOT, id)}: expected imports that take something, not for their effects alone`)
          return withPaths(code, id, target, (worker) =>
            this.emitFile({ type: 'chunk', id: worker, fileName: `${/([^/]+)\.ts$/.exec(worker)?.[1]}.js` }),
          )
        },
      },
    ],
  })
  await build.write({
    dir: target,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
    paths: (id) => (isAbsolute(id) ? pathFrom(target, id) : id),
  })
  await build.close()
  // Below node_modules nothing else says that these are ES modules.
  writeFileSync(join(target, 'package.json'), '{ "type": "module" }\n')
  publish(target, inputs)
}

/**
 * @param {string} folder
 * @param {string} path
 * @returns {string} the path as a URL relative to the folder has it
 */
function pathFrom(folder, path) {
  return relative(folder, path).split(sep).join('/')
}

/** @param {string} id */
function isSource(id) {
  return id.startsWith(join(ROOT, sep)) && !relative(ROOT, id).split(sep).includes('node_modules')
}

/**
 * Paths from a source to other files, for the place of the bundle. Scripts of threads become parts of the bundle, beside all others.
 * @param {string} code
 * @param {string} id the source's path
 * @param {string} target
 * @param {(path: string) => void} emit takes the source of a thread's script
 */
function withPaths(code, id, target, emit) {
  const moved = code.replace(FILE_BESIDE, (all, /** @type {string} */ path) => {
    const source = join(dirname(id), path.replace(/\.js$/, '.ts'))
    if (path.endsWith('.ts')) return all
    if (path.endsWith('.js') && existsSync(source)) {
      emit(source)
      return all
    }
    return `new URL('${pathFrom(target, join(dirname(id), path))}', import.meta.url)`
  })
  const rest = moved.replaceAll(FILE_BESIDE, '').replaceAll(IS_SOURCE, '')
  if (/\bimport\.meta\b/.test(rest))
    throw new Error(
      `${relative(ROOT, id)}: expected import.meta only in ${IS_SOURCE} and new URL('…', import.meta.url)`,
    )
  return moved
}

/**
 * Makes it the current one in one step. Where another process was first with the same, that one stays.
 * @param {string} target
 * @param {ReadonlyMap<string, string>} inputs
 */
function publish(target, inputs) {
  const stamps = JSON.stringify(Object.fromEntries([...inputs].toSorted(([one], [other]) => (one < other ? -1 : 1))))
  const name = createHash('sha256').update(stamps).digest('hex').slice(0, 16)
  try {
    renameSync(target, join(BUNDLES, name))
  } catch (error) {
    if (!existsSync(join(BUNDLES, name))) throw error
    rmSync(target, { recursive: true })
  }
  const written = `${target}.json`
  writeFileSync(written, `{"name":"${name}","inputs":${stamps}}\n`)
  const before = readCurrent()?.name
  renameSync(written, CURRENT)
  // It is kept from now on, however old it is.
  if (before !== undefined && before !== name && existsSync(join(BUNDLES, before)))
    utimesSync(join(BUNDLES, before), new Date(), new Date())
}

function removeOld() {
  const current = readCurrent()?.name
  for (const name of readdirSync(BUNDLES)) {
    const path = join(BUNDLES, name)
    const found = statSync(path, { throwIfNoEntry: false })
    if (found === undefined || name === current || path === CURRENT) continue
    if (found.mtimeMs < Date.now() - KEPT_MS) rmSync(path, { recursive: true, force: true })
  }
}

/** @param {string} path below ROOT */
function read(path) {
  return readFileSync(join(ROOT, path), 'utf8')
}
