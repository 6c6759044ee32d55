import { parentPort, workerData } from 'node:worker_threads'
import { reportError } from '@cinelake/core'
import { openCompany, type Company, type CompanyOptions } from './company.ts'
import type { CompanyReply, CompanyRequest } from './company-messages.ts'

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
