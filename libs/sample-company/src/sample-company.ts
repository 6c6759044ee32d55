import { ConfigError, defineErrors, terminal } from '@cinelake/core'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { dayOf } from './company-days.ts'
import type { CompanyPlaces, CompanyReply, CompanyRequest } from './company-worker.ts'

export type SampleCompanyOptions = {
  /** Folder of the company's catalogue files and database; created when missing, reused otherwise. */
  readonly directory: string
  /** 1: about 2,000 titles, 5,000 users and 200,000 viewings. */
  readonly scale: number
  /** Companies with the same seed and scale are the same, byte for byte. */
  readonly seed: number
  /** The API's port; the database has the one after it. Default: any free ports. */
  readonly port?: number
  /** Whether its API is sometimes overloaded or unavailable, as real ones are. Default: true. */
  readonly refuses?: boolean
  /** The address that the API and the database listen on; default: the loopback interface. */
  readonly host?: string
  /** `yyyy-mm-dd`: first day of a new company; default 2026-03-01. An existing one keeps its own. */
  readonly firstDay?: string
  /** The credentials of clients; by default random ones for each start. */
  readonly secrets?: SampleSecrets
}

/** The API's bearer token and the database's password. */
type SampleSecrets = { readonly CRM_TOKEN: string; readonly BILLING_PASSWORD: string }

/** A sample streaming company: a folder of catalogue files, a REST API and a PostgreSQL database. */
export interface SampleCompany extends AsyncDisposable {
  /** The settings that `pipelines/ott` needs: OTT_CATALOGUE, OTT_CRM_URL, OTT_BILLING_HOST. */
  readonly settings: Record<string, string>
  /** CRM_TOKEN and BILLING_PASSWORD. */
  readonly secrets: Record<string, string>
  /** `yyyy-mm-dd` */
  readonly firstDay: string
  /**
   * Advances the company to the end of a day. No effect when it has reached that day, or a later one.
   * @param date `yyyy-mm-dd`, the first day or later
   */
  advanceTo(date: string): Promise<void>
}

export const companyErrors = defineErrors({
  /** An error in the sample company's own thread. */
  SAMPLE_COMPANY_FAILED: terminal((what: string) => [`the sample company cannot continue: ${what}`, {}]),
})

/**
 * Starts the sample company in its own thread, at the day that its directory has reached, initially the first one. It
 * ends with the process. A process killed at any time leaves a directory from which the next start resumes.
 *
 * @throws {ConfigError} an invalid scale, seed or date
 * @throws {SAMPLE_COMPANY_FAILED} terminal: the directory is unusable, in use, or belongs to another seed or scale
 */
export async function startSampleCompany(options: SampleCompanyOptions): Promise<SampleCompany> {
  check(options)
  const { directory, scale, seed, firstDay, host = '127.0.0.1', port = 0, refuses = true } = options
  const secrets = { ...(options.secrets ?? { CRM_TOKEN: randomText(), BILLING_PASSWORD: randomText() }) }
  const thread = startThread({
    directory,
    scale,
    seed,
    ...(firstDay === undefined ? {} : { firstDay }),
    host,
    port,
    refuses,
    token: secrets.CRM_TOKEN,
    password: secrets.BILLING_PASSWORD,
  })
  const places = await thread.ask({ kind: 'open' }).catch(async (error: unknown) => {
    await thread.end()
    throw error
  })
  let open = true
  return {
    settings: {
      OTT_CATALOGUE: places.cataloguePath,
      OTT_CRM_URL: places.apiUrl,
      OTT_BILLING_HOST: places.billingHost,
    },
    secrets,
    firstDay: places.firstDay,
    async advanceTo(date) {
      const day = dayOf(places, date)
      if (day === undefined || day < 0) {
        throw new ConfigError('the sample company cannot go there', [
          `the date is ${date}: expected yyyy-mm-dd, ${places.firstDay} or later`,
        ])
      }
      await thread.ask({ kind: 'advance', day })
    },
    async [Symbol.asyncDispose]() {
      if (!open) return
      open = false
      try {
        await thread.ask({ kind: 'close' })
      } finally {
        await thread.end()
      }
    },
  }
}

type Ask = { kind: 'open' } | { kind: 'advance'; day: number } | { kind: 'close' }

function startThread(workerData: object) {
  // Beside this file: `.ts` in the sources, `.js` when built.
  const script = import.meta.url.endsWith('.ts')
    ? new URL('./company-worker.ts', import.meta.url)
    : new URL('./company-worker.js', import.meta.url)
  const worker = new Worker(script, { workerData })
  const waiting = new Map<number, { resolve(places: CompanyPlaces): void; reject(error: Error): void }>()
  let lastId = 0
  let failure: Error | undefined

  const fail = (error: Error) => {
    failure ??= error
    for (const asked of waiting.values()) asked.reject(failure)
    waiting.clear()
  }
  worker.on('error', (error) =>
    fail(companyErrors.SAMPLE_COMPANY_FAILED('its thread ended with an error; start again', { cause: error })),
  )
  worker.on('exit', () => fail(companyErrors.SAMPLE_COMPANY_FAILED('its thread has ended; start again')))
  worker.on('message', (reply: CompanyReply) => {
    const asked = waiting.get(reply.id)
    waiting.delete(reply.id)
    if (reply.ok) asked?.resolve(reply)
    else asked?.reject(companyErrors.SAMPLE_COMPANY_FAILED(reply.error.message))
  })
  return {
    ask(request: Ask): Promise<CompanyPlaces> {
      if (failure !== undefined) return Promise.reject(failure)
      lastId += 1
      const message: CompanyRequest = { id: lastId, ...request }
      const answer = new Promise<CompanyPlaces>((resolve, reject) => waiting.set(message.id, { resolve, reject }))
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      worker.postMessage(message)
      return answer
    },
    async end(): Promise<void> {
      if (failure !== undefined) return
      const exited = once(worker, 'exit')
      await worker.terminate()
      await exited.catch(() => undefined)
    },
  }
}

function check({ scale, seed, port, firstDay }: SampleCompanyOptions): void {
  const problems: string[] = []
  if (!(scale > 0 && scale <= 10_000)) problems.push(`scale is ${scale}: expected a number above 0, up to 10000`)
  if (!Number.isSafeInteger(seed)) problems.push(`seed is ${seed}: expected a whole number`)
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port < 65_535)) {
    problems.push(`port is ${port}: expected 0 to 65534`)
  }
  if (firstDay !== undefined && dayOf({}, firstDay) === undefined) {
    problems.push(`first day is ${firstDay}: expected yyyy-mm-dd`)
  }
  if (problems.length > 0) throw new ConfigError('the sample company cannot be started', problems)
}

function randomText(): string {
  return randomBytes(24).toString('base64url')
}
