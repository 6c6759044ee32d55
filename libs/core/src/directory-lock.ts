import { randomUUID } from 'node:crypto'
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import path from 'node:path'
import { makeDirectory } from './make-directory.ts'

/** Who holds a lock. Kept in the lock file as JSON. */
type Holder = {
  readonly host: string
  readonly pid: number
  /**
   * Start time of that process as the operating system counts it: tells it from a later process with the same number.
   */
  readonly began: string | null
  readonly since: string
  readonly program: string
}

/** Why a directory cannot be locked. */
export type DirectoryHolder = {
  /** As a sentence: `process 17 on host (program, since …)` */
  readonly holder: string
  readonly lockFile: string
}

/**
 * Locks a directory for this process alone, by a file next to it. The lock of a process that no longer runs (killed, or
 * from before a restart of the machine) is taken over.
 * @param inUse makes the error that is thrown when another process, or this one, holds the lock
 */
export async function lockDirectory(
  directory: string,
  inUse: (found: DirectoryHolder) => Error,
): Promise<AsyncDisposable> {
  const lockFile = `${path.resolve(directory)}.lock`
  await makeDirectory(path.dirname(lockFile))
  const mine = JSON.stringify(await thisProcess())
  while (!(await createWhole(lockFile, mine))) {
    const found = await readFile(lockFile, 'utf8').catch(() => undefined)
    if (found === undefined) continue
    const holder = parseHolder(found)
    if (holder === undefined || (await isAlive(holder))) {
      throw inUse({ holder: holder === undefined ? 'an unreadable lock file' : describeHolder(holder), lockFile })
    }
    await removeStale(lockFile, found)
  }
  return {
    async [Symbol.asyncDispose]() {
      if ((await readFile(lockFile, 'utf8').catch(() => undefined)) === mine) await rm(lockFile, { force: true })
    },
  }
}

/** Never visible half-written: the file gets its name once its content is written. False when the name is taken. */
async function createWhole(lockFile: string, content: string): Promise<boolean> {
  const draft = `${lockFile}.${randomUUID()}`
  await writeFile(draft, content)
  try {
    await link(draft, lockFile)
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw error
  } finally {
    await rm(draft, { force: true })
  }
}

/**
 * Two processes may find the same stale lock: the file that was moved away is checked, and put back if it is a new one.
 */
async function removeStale(lockFile: string, stale: string): Promise<void> {
  const aside = `${lockFile}.${randomUUID()}`
  try {
    await rename(lockFile, aside)
    if ((await readFile(aside, 'utf8')) !== stale) await link(aside, lockFile)
  } catch (error) {
    if (!isCode(error, 'ENOENT') && !isCode(error, 'EEXIST')) throw error
  } finally {
    await rm(aside, { force: true })
  }
}

async function thisProcess(): Promise<Holder> {
  return {
    host: hostname(),
    pid: process.pid,
    began: (await beganAt(process.pid)) ?? null,
    since: new Date().toISOString(),
    program: process.argv
      .slice(1, 4)
      .map((part) => path.basename(part))
      .join(' '),
  }
}

async function isAlive(holder: Holder): Promise<boolean> {
  // Processes of another machine cannot be checked: an operator decides, rather than two processes writing at once.
  if (holder.host !== hostname()) return true
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    if (isCode(error, 'ESRCH')) return false
  }
  const began = await beganAt(holder.pid)
  return began === undefined || holder.began === null || began === holder.began
}

/** Boot id and clock ticks at which a process started, where the system provides them (Linux); undefined elsewhere. */
async function beganAt(pid: number): Promise<string | undefined> {
  try {
    const [stat, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    ])
    // The program's name, in parentheses, may contain spaces: fields are counted from its end. Field 22 is the start
    // time.
    return `${boot.trim()}/${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''}`
  } catch {
    return undefined
  }
}

function parseHolder(content: string): Holder | undefined {
  try {
    const holder: unknown = JSON.parse(content)
    return typeof holder === 'object' && holder !== null && 'pid' in holder && 'host' in holder
      ? (holder as Holder)
      : undefined
  } catch {
    return undefined
  }
}

function describeHolder({ host, pid, program, since }: Holder): string {
  return `process ${pid} on ${host} (${program}, since ${since})`
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
