import { makeDirectory } from '@cinelake/core'
import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { fileErrorCode } from './directory/errors.ts'

/** Milliseconds after which files of another machine are considered abandoned; no task runs that long. */
const FOREIGN_LEFTOVER_MS = 7 * 24 * 3_600_000

/** Space for unfinished or short-lived files: on the lake's own disk, so that finishing them is a rename. */
export interface ScratchSpace extends AsyncDisposable {
  /** A path for one unfinished file. */
  file(): Promise<string>
  /** A new directory of its own. */
  directory(): Promise<AsyncDisposable & { readonly directory: string }>
}

/**
 * Opens scratch space below a directory and removes leftovers of dead processes.
 * Space is owned by machine, process id and start of the process: a restarted container has the same process id again.
 */
export async function openScratchSpace(base: string): Promise<ScratchSpace> {
  await makeDirectory(base)
  await removeLeftovers(base)
  const own = join(base, `${ownerName()}_${randomUUID()}`)
  await mkdir(own)
  /**
   * The directory may have been deleted meanwhile: by an operator, or by another machine that considered this one dead.
   */
  const makeAgain = async () => {
    await makeDirectory(own)
    return own
  }
  return {
    file: async () => join(await makeAgain(), randomUUID()),
    async directory() {
      const directory = join(await makeAgain(), randomUUID())
      await mkdir(directory)
      return { directory, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) }
    },
    [Symbol.asyncDispose]: () => rm(own, { recursive: true, force: true }),
  }
}

async function removeLeftovers(base: string): Promise<void> {
  for (const name of await readdir(base)) {
    const leftover = join(base, name)
    if (await isAbandoned(leftover, name)) await rm(leftover, { recursive: true, force: true })
  }
}

async function isAbandoned(directory: string, name: string): Promise<boolean> {
  const [host, pid, started] = name.split('_')
  if (host === machineName() && pid !== undefined) {
    if (Number(pid) === process.pid) return started !== processStart()
    return !isAlive(Number(pid))
  }
  const found = await stat(directory).catch(() => undefined)
  return found !== undefined && Date.now() - found.mtimeMs > FOREIGN_LEFTOVER_MS
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return fileErrorCode(error) === 'EPERM'
  }
}

function ownerName(): string {
  return `${machineName()}_${process.pid}_${processStart()}`
}

function machineName(): string {
  return hostname().replaceAll(/[^A-Za-z0-9.-]/g, '-')
}

function processStart(): string {
  return String(Math.round(performance.timeOrigin))
}
