import { join } from 'node:path'
import { openBillingDatabase, BILLING_DATABASE, BILLING_USER } from './billing-database.ts'
import { writeCatalogueDrop } from './catalogue-drop.ts'
import { claimDirectory } from './claim-directory.ts'
import { companySize, type CompanyKey } from './company-size.ts'
import { createExclusive } from './exclusive.ts'
import { startPostgresServer } from './postgres-server.ts'
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
