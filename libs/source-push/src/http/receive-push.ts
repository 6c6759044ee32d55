import { randomUUID } from 'node:crypto'
import type { ContractColumns } from '../body/body-check.ts'
import type { Clock, Log, Window } from '@cinelake/core'
import type { Lake } from '@cinelake/lake'
import type { Schedule } from '@cinelake/source-kind'
import type { BodyForm } from '../body/body-form.ts'
import { createBodyCheck } from '../body/create-body-check.ts'
import { pushErrors, type PushPlace } from '../errors.ts'
import { bodyPath, keyPath, newPushId, readRecordText, Receipt, type PushFolder } from '../landing/push-layout.ts'
import { readUpload, type Upload, type UploadDigest } from '../body/read-upload.ts'
import { commitReceipt, firstWindow } from '../landing/window-receipts.ts'

type Deps = { readonly lake: Lake; readonly clock: Clock; readonly log: Log }

export type Push = {
  readonly place: PushPlace & PushFolder
  readonly schedule: Schedule
  /** The idempotency key, which distinguishes a repeated push from a new one. */
  readonly idempotencyKey: string | undefined
  readonly form: BodyForm
  /** The contract's columns that its rows are checked against. */
  readonly contract: ContractColumns
  readonly upload: Upload
}

export type Received = { readonly receipt: Receipt; readonly window: Window }

/**
 * Writes a push into the lake: first the body, then its receipt, which commits it. Before the receipt is written, nothing has
 * landed. With an idempotency key, the push whose receipt is first put under the key counts; all other requests with that key
 * help to complete that one.
 */
export function createReceivePush({ lake, clock, log }: Deps) {
  return async (push: Push, signal: AbortSignal): Promise<Received> => {
    const { place, schedule, idempotencyKey } = push
    const path = idempotencyKey === undefined ? undefined : keyPath(place, idempotencyKey)
    const before = path === undefined ? undefined : await lake.readText(path, { signal })
    const receipt =
      path !== undefined && before !== undefined
        ? await sameAs(readRecordText(Receipt, before, path), push)
        : await takeIn(push, path, signal)
    const window = await commitReceipt(lake, place, schedule, receipt, { signal })
    const { id, rowCount, sizeBytes } = receipt
    log.info({ ...place, id, window: window.label, rowCount, sizeBytes, again: before !== undefined }, 'push received')
    return { receipt, window }
  }

  /** Writes nothing: the body is only read, to check that it is the same. */
  async function sameAs(receipt: Receipt, push: Push): Promise<Receipt> {
    const digest = await digestOf(push)
    if (!isSame(receipt, digest, push.form)) throw pushErrors.PUSH_KEY_REUSED(push.place)
    return receipt
  }

  async function takeIn(push: Push, path: string | undefined, signal: AbortSignal): Promise<Receipt> {
    const { place, schedule, form } = push
    const now = clock()
    const id = newPushId(now, randomUUID())
    const body = bodyPath(place, firstWindow(schedule, now).label, id, form.format)
    const { shape, ...digest } = await store(push, body, signal)
    const receipt: Receipt = {
      version: 1,
      id,
      receivedAt: clock().toISOString(),
      format: form.format,
      path: body,
      ...digest,
      columns: [...shape.columns],
      ...(form.format === 'csv' && { delimiter: shape.delimiter }),
    }
    if (path === undefined) return receipt
    if ((await lake.putIfAbsent(path, JSON.stringify(receipt), { signal })) === 'created') return receipt
    const first = readRecordText(Receipt, (await lake.readText(path, { signal })) ?? '', path)
    // The response to the write was lost: this request's receipt was the first after all.
    if (first.id === id) return first
    await lake.delete(body, { signal }).catch((error: unknown) => {
      log.warn({ ...place, path: body, err: error }, 'a second copy of a push could not be removed; it does not count')
    })
    if (!isSame(first, digest, form)) throw pushErrors.PUSH_KEY_REUSED(place)
    return first
  }

  async function store(push: Push, path: string, signal: AbortSignal): Promise<UploadDigest> {
    let digest: UploadDigest | undefined
    let failure: unknown
    const content = keepingFailure(
      readUpload(push.upload, createBodyCheck(push.form.format, push.contract), (found) => (digest = found)),
      (error) => (failure = error),
    )
    try {
      await lake.writeIfAbsent(path, content, { signal })
    } catch (error) {
      throw failure ?? error
    }
    if (digest === undefined) throw new Error('the lake did not read the body to its end')
    return digest
  }
}

async function digestOf({ upload, form, contract }: Push): Promise<UploadDigest> {
  let digest: UploadDigest | undefined
  for await (const _ of readUpload(upload, createBodyCheck(form.format, contract), (found) => (digest = found)));
  if (digest === undefined) throw new Error('the body was not read to its end')
  return digest
}

function isSame(receipt: Receipt, digest: Pick<UploadDigest, 'sha256'>, { format }: BodyForm): boolean {
  return receipt.sha256 === digest.sha256 && receipt.format === format
}

/** An invalid body must not be reported as an error of the lake that was reading it. */
async function* keepingFailure<T>(items: AsyncIterable<T>, failed: (error: unknown) => void): AsyncGenerator<T> {
  try {
    yield* items
  } catch (error) {
    failed(error)
    throw error
  }
}
