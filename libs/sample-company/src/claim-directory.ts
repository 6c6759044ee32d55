import { defineErrors, lockDirectory, makeDirectory, terminal, type DirectoryHolder } from '@cinelake/core'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FIRST_DAY } from './company-days.ts'

/** Content of `company.json`; written when the company is created, and kept. */
type Card = { readonly scale: number; readonly seed: number; readonly firstDay?: string }

/** A directory that is locked for one company, until it is disposed. */
export interface Claim extends AsyncDisposable {
  /** `yyyy-mm-dd`: the first day of the existing company, or the one requested. */
  readonly firstDay: string
}

/**
 * Locks a directory for one company in one process: two companies would mix their rows, and two processes would break
 * the database. The lock of a killed process is taken over.
 * @throws {SAMPLE_COMPANY_DIFFERS} terminal: a company with another seed or scale exists
 * @throws {SAMPLE_COMPANY_IN_USE} terminal: names the process that has it
 */
export async function claimDirectory(directory: string, company: Card): Promise<Claim> {
  await makeDirectory(directory)
  const card = join(directory, 'company.json')
  const there = await readFile(card, 'utf8').catch(() => '')
  const old = there === '' ? undefined : (JSON.parse(there) as Card)
  if (old !== undefined && describe(old) !== describe(company)) {
    throw directoryErrors.SAMPLE_COMPANY_DIFFERS(directory, describe(old), describe(company))
  }
  await using claimed = new AsyncDisposableStack()
  const inUse = ({ holder, lockFile }: DirectoryHolder) =>
    directoryErrors.SAMPLE_COMPANY_IN_USE(directory, holder, lockFile)
  claimed.use(await lockDirectory(join(directory, 'company'), inUse))
  const { firstDay = FIRST_DAY } = old ?? company
  if (old === undefined) {
    await writeFile(`${card}.part`, JSON.stringify({ scale: company.scale, seed: company.seed, firstDay }))
    await rename(`${card}.part`, card)
  }
  const owned = claimed.move()
  return { firstDay, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

function describe({ scale, seed }: Card): string {
  return JSON.stringify({ scale, seed })
}

const directoryErrors = defineErrors({
  /** A directory holds a sample company of another seed or scale. */
  SAMPLE_COMPANY_DIFFERS: terminal((directory: string, there: string, wanted: string) => [
    `the directory holds another sample company [directory=${directory}]: expected ${wanted}, got ${there}; use the same scale and seed, or another or an empty directory`,
    { directory, there, wanted },
  ]),

  /** Another process, or this one, has the sample company of a directory open. */
  SAMPLE_COMPANY_IN_USE: terminal((directory: string, holder: string, lockFile: string) => [
    `the sample company is open already [directory=${directory}]: expected a directory that is not in use, got ${holder}; wait until it has ended, use another directory, or, if that process no longer exists, delete ${lockFile}`,
    { directory, holder, lockFile },
  ]),
})
