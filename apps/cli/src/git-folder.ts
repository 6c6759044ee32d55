import { ConfigError } from '@cinelake/core'
import type { PipelineFolder } from '@cinelake/pipeline'
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Bytes. Limit for one text file. */
const MAX_FILE_BYTES = 16 * 1024 * 1024

/**
 * A pipeline's folder in a commit. Nothing is checked out.
 * @param revision any name that git has for a commit: `main`, `v1.2`, `HEAD~3`
 * @throws {ConfigError} terminal: the folder is in no repository, git is missing, or there is no such commit
 */
export async function openGitFolder(folder: string, revision: string): Promise<PipelineFolder> {
  const root = path.resolve(folder)
  const git = async (...args: string[]): Promise<string> =>
    (await run('git', ['-C', root, ...args], { maxBuffer: MAX_FILE_BYTES })).stdout
  const commit = await git('rev-parse', '--verify', '--quiet', '--end-of-options', `${revision}^{commit}`).then(
    (text) => text.trim(),
    (error: unknown) => {
      throw new ConfigError('there is nothing to compare with', [`${folder} at ${revision}: ${whyNone(error)}`])
    },
  )
  const entries = async (at: string): Promise<string[]> => {
    const text = await git('ls-tree', '-z', '--name-only', commit, '--', at === '.' ? './' : `./${at}`)
    return text.split('\0').filter((name) => name !== '')
  }
  return {
    async read(file) {
      if ((await entries(file)).length === 0) return undefined
      return await git('show', `${commit}:./${file}`)
    },
    async list(inside) {
      const names = await entries(inside === '.' ? '.' : `${inside}/`)
      return names.map((name) => path.posix.basename(name)).sort((one, other) => (one < other ? -1 : 1))
    },
  }
}

/** Translates git's message to this program's terms; an unknown message is kept. */
function whyNone(error: unknown): string {
  const { code, stderr = '' } = error as { readonly code?: string | number; readonly stderr?: string }
  if (code === 'ENOENT') return 'expected git to be installed, got no such command'
  // With `--quiet`, git does not report an unknown name as an error.
  if (stderr.trim() === '')
    return 'there is no such commit; expected a branch, a tag or a commit of the git repository that the folder is in (`git branch -a` lists its branches)'
  if (stderr.includes('not a git repository')) return 'expected a folder in a git repository, got one in none'
  return `expected a commit of the git repository that the folder is in, got: ${stderr.trim().replace(/\s*\n\s*/g, ' ')}`
}
