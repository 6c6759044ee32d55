import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

// Collects what Node needs to run from the Debian image that this runs in, into the directory named as argument: the base of
// the apps' images, which has no shell and no package manager. Scanners find the Debian packages that the files are from in
// /var/lib/dpkg/status.d, as in other images without a package manager.

/** The user that apps run as; official Node images have it too. */
const USER = { name: 'node', uid: 1000 }

/** Loaded by native modules, or by the C library when it looks up a host; not by Node itself. */
const LOADED_LATE = /^(libstdc\+\+\.so\.6|lib(gcc_s|nss_files|nss_dns|resolv|dl|rt|m|pthread|atomic)\.so\.[0-9]+)$/

const DPKG_INFO = '/var/lib/dpkg/info'
const root = process.argv[2]
if (root === undefined) throw new Error('expected the directory to write to as argument')

const libraries = librariesOf(process.execPath)
for (const file of libraries) copy(file)
copyFileSync(process.execPath, target('/usr/local/bin/node'))
for (const file of ['/etc/os-release', '/etc/ssl/certs/ca-certificates.crt', '/usr/local/LICENSE']) {
  if (existsSync(file)) copy(file)
}
for (const name of packagesOf(libraries)) describe(name)
writeAccounts()
makeDirectory('/tmp', 0o1777, 0)
makeDirectory('/scratch', 0o700, USER.uid)

/** What the loader says that a program needs, the loader included, and what is loaded late from the same folder. */
function librariesOf(program: string): string[] {
  const needed = execFileSync('ldd', [program], { encoding: 'utf8' })
    .split('\n')
    .flatMap((line) => /(\/\S+) \(0x/.exec(line)?.[1] ?? [])
  const folder = dirname(needed.find((file) => /\/libc\.so/.test(file)) ?? '/lib/libc.so.6')
  const late = readdirSync(folder)
    .filter((name) => LOADED_LATE.test(name))
    .map((name) => join(folder, name))
  return [...new Set([...needed, ...late])]
}

/** The Debian packages that own these files. Paths below /lib are listed as below /lib or as below /usr/lib. */
function packagesOf(files: readonly string[]): string[] {
  const wanted = new Set(files.flatMap((file) => [file, join('/usr', file), file.replace(/^\/usr/, '')]))
  return readdirSync(DPKG_INFO)
    .filter((name) => name.endsWith('.list'))
    .filter((name) =>
      readFileSync(join(DPKG_INFO, name), 'utf8')
        .split('\n')
        .some((file) => wanted.has(file)),
    )
    .map((name) => name.replace(/(:[a-z0-9]+)?\.list$/, ''))
}

function describe(name: string): void {
  const status = execFileSync('dpkg-query', ['--status', name], { encoding: 'utf8' })
  appendFileSync(target(`/var/lib/dpkg/status.d/${name}`), status)
  const copyright = `/usr/share/doc/${name}/copyright`
  if (existsSync(copyright)) copy(copyright)
}

function writeAccounts(): void {
  const { name, uid } = USER
  appendFileSync(target('/etc/passwd'), `root:x:0:0:root:/:/none\n${name}:x:${uid}:${uid}:${name}:/scratch:/none\n`)
  appendFileSync(target('/etc/group'), `root:x:0:\n${name}:x:${uid}:\n`)
  appendFileSync(target('/etc/nsswitch.conf'), 'hosts: files dns\n')
}

function makeDirectory(path: string, mode: number, owner: number): void {
  const directory = join(root ?? '', path)
  mkdirSync(directory, { recursive: true })
  chmodSync(directory, mode)
  chownSync(directory, owner, owner)
}

/** Copies a file, or what a link points to, to the same path below the root. */
function copy(file: string): void {
  copyFileSync(file, target(file))
}

function target(file: string): string {
  const path = join(root ?? '', file)
  mkdirSync(dirname(path), { recursive: true })
  return path
}
