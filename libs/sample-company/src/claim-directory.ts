import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { lockDirectory, type DirectoryHolder } from '@cinelake/core'
import { DirectoryInUseError, OtherCompanyError } from './directory-errors.ts'

/**
 * Takes a directory for one company in one process: two companies would mix their rows, and two processes would break
 * the database. What a killed process left is taken over.
 * @throws {OtherCompanyError} terminal: another seed or scale is there
 * @throws {DirectoryInUseError} terminal: names the process that has it
 */
export async function claimDirectory(
  directory: string,
  company: { scale: number; seed: number },
): Promise<AsyncDisposable> {
  await mkdir(directory, { recursive: true })
  const card = join(directory, 'company.json')
  const mine = JSON.stringify({ scale: company.scale, seed: company.seed })
  const there = await readFile(card, 'utf8').catch(() => '')
  if (there !== '' && there !== mine) throw new OtherCompanyError(directory, there, mine)
  await using claimed = new AsyncDisposableStack()
  const inUse = ({ holder, lockFile }: DirectoryHolder) => new DirectoryInUseError(directory, holder, lockFile)
  claimed.use(await lockDirectory(join(directory, 'company'), inUse))
  await writeFile(card, mine)
  return claimed.move()
}
