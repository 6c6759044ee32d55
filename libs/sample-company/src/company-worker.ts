import { type ErrorReport, reportError } from '@cinelake/core'
import { parentPort, workerData } from 'node:worker_threads'
import { type Company, type CompanyOptions, openCompany } from './company.ts'

/** The worker thread of `startSampleCompany`: runs the company's systems off the platform's event loop. */
let opening: Promise<Company> | undefined

parentPort?.on('message', (request: CompanyRequest) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  void answer(request).then((reply) => parentPort?.postMessage(reply))
})

async function answer(request: CompanyRequest): Promise<CompanyReply> {
  try {
    opening ??= openCompany(workerData as CompanyOptions)
    const company = await opening
    if (request.kind === 'advance') await company.advanceTo(request.day)
    if (request.kind === 'close') await company[Symbol.asyncDispose]()
    const { firstDay, cataloguePath, apiUrl, billingHost } = company
    return { id: request.id, ok: true, firstDay, cataloguePath, apiUrl, billingHost }
  } catch (error) {
    return { id: request.id, ok: false, error: reportError(error) }
  }
}

/** The messages between `startSampleCompany` and its worker thread. Each request gets one reply. */
export type CompanyRequest =
  | { readonly id: number; readonly kind: 'open' }
  | { readonly id: number; readonly kind: 'advance'; readonly day: number }
  | { readonly id: number; readonly kind: 'close' }

export type CompanyPlaces = {
  /** The date of day 0. */
  readonly firstDay: string
  readonly cataloguePath: string
  readonly apiUrl: string
  readonly billingHost: string
}

export type CompanyReply =
  | ({ readonly id: number; readonly ok: true } & CompanyPlaces)
  | { readonly id: number; readonly ok: false; readonly error: ErrorReport }
