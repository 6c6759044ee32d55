import { type DirectoryHolder, defineErrors, lockDirectory, makeDirectory, terminal } from '@cinelake/core'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BILLING_DATABASE, BILLING_USER, openBillingDatabase } from './billing-database.ts'
import { writeCatalogueDrop } from './catalogue-drop.ts'
import { FIRST_DAY } from './company-days.ts'
import { type CompanyKey, companySize } from './company-size.ts'
import { createExclusive, startPostgresServer } from './postgres-server.ts'
import { createUsersApi } from './users-api.ts'

export type CompanyOptions = {
  readonly directory: string
  readonly scale: number
  readonly seed: number
  /** First day of a new company, `yyyy-mm-dd`; an existing one keeps its own. */
  readonly firstDay?: string
  /** The address that the API and the database listen on. */
  readonly host: string
  /** The API's port; the database has the one after it. 0: any free ports. */
  readonly port: number
  readonly token: string
  readonly password: string
  /** Whether the API is sometimes overloaded or unavailable. */
  readonly refuses: boolean
}

export interface Company extends AsyncDisposable {
  /** The date of day 0. */
  readonly firstDay: string
  readonly cataloguePath: string
  readonly apiUrl: string
  /** `host:port` */
  readonly billingHost: string
  /** No effect when the company has reached this day, or a later one. */
  advanceTo(day: number): Promise<void>
}

/**
 * Opens the three systems of the sample company at the latest day in its directory, at least the first one. A day is
 * complete when the billing database has it: its files are written before, and written again when missing.
 */
export async function openCompany(options: CompanyOptions): Promise<Company> {
  const cataloguePath = join(options.directory, 'catalogue')
  await using opened = new AsyncDisposableStack()
  const { firstDay } = opened.use(await claimDirectory(options.directory, options))
  const company: CompanyKey = { seed: options.seed, size: companySize(options.scale), firstDay }
  const exclusive = createExclusive()
  const drops = writeCatalogueDrop(company, 0, cataloguePath)
  const billing = opened.use(await openBillingDatabase(company, join(options.directory, 'billing')))
  await drops
  let today = await billing.day()
  for (let day = 1; day <= today; day += 1) await writeCatalogueDrop(company, day, cataloguePath)

  const server = opened.use(
    await startPostgresServer({
      database: billing.database,
      exclusive,
      host: options.host,
      port: options.port === 0 ? 0 : options.port + 1,
      user: BILLING_USER,
      password: options.password,
      databaseName: BILLING_DATABASE,
    }),
  )
  const api = createUsersApi({ company, token: options.token, day: () => today, refuses: options.refuses })
  opened.defer(() => api.close())
  const apiUrl = await api.listen({ host: options.host, port: options.port })

  const parts = opened.move()
  return {
    firstDay,
    cataloguePath,
    apiUrl,
    billingHost: `${options.host}:${server.port}`,
    async advanceTo(day) {
      for (let next = today + 1; next <= day; next += 1) {
        await writeCatalogueDrop(company, next, cataloguePath)
        await billing.addDay(next, exclusive)
        today = next
      }
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

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
async function claimDirectory(directory: string, company: Card): Promise<Claim> {
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
