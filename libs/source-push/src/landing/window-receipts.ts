import { parseWindow, shiftWindow, windowAt, type Calendar, type Window } from '@cinelake/core'
import type { Lake } from '@cinelake/lake'
import type { Schedule } from '@cinelake/source-kind'
import {
  closedPath,
  closingPath,
  Closed,
  readRecordText,
  Receipt,
  receiptPath,
  receiptsFolder,
  type PushFolder,
} from './push-layout.ts'

type Store = Pick<Lake, 'stat' | 'readText' | 'putIfAbsent' | 'list'>
type Options = { readonly signal?: AbortSignal }

/*
 * How the window of a push is decided without locks:
 *
 * - To close a window: put `_closing`, list the receipts, then put the list as `_closed` if absent. Any process that needs
 * a closed window may do so; the first list is final.
 * - To commit a push: put its receipt into its window, then look for `_closing`. If it is absent, every list is still to be
 * made and will contain the receipt. If it exists, the list decides: either it contains the push, or the push moves to
 * the next window, where the same is done.
 *
 * All processes that commit one push (the same key at two replicas, or again after a crash) visit the same windows and get
 * the same result.
 */

/** The first window that a push of an instant may belong to: none before the pipeline's first window. */
export function firstWindow(schedule: Schedule, receivedAt: Date): Window {
  const calendar: Calendar = schedule
  const window = windowAt(calendar, receivedAt)
  const start = parseWindow(calendar, schedule.start)
  return start !== undefined && start.start > window.start ? start : window
}

/**
 * Commits a push.
 * @returns its window
 */
export async function commitReceipt(
  lake: Store,
  place: PushFolder,
  schedule: Schedule,
  receipt: Receipt,
  options?: Options,
): Promise<Window> {
  const text = JSON.stringify(receipt)
  for (let window = firstWindow(schedule, new Date(receipt.receivedAt)); ; window = shiftWindow(schedule, window, 1)) {
    // No receipt is written to a closed window, since it would never be counted.
    if (!(await isClosing(lake, place, window.label, options))) {
      await lake.putIfAbsent(receiptPath(place, window.label, receipt.id), text, options)
      if (!(await isClosing(lake, place, window.label, options))) return window
    }
    const { ids } = await closeWindow(lake, place, window.label, options)
    if (ids.includes(receipt.id)) return window
  }
}

/** Closes a window, unless it is closed. @returns its final list of pushes */
export async function closeWindow(lake: Store, place: PushFolder, label: string, options?: Options): Promise<Closed> {
  const path = closedPath(place, label)
  const known = await lake.readText(path, options)
  if (known !== undefined) return readRecordText(Closed, known, path)
  await lake.putIfAbsent(closingPath(place, label), '{}', options)
  const ids: string[] = []
  for await (const { path: receipt } of lake.list(receiptsFolder(place, label), options)) {
    ids.push(receipt.slice(receipt.lastIndexOf('/') + 1, -'.json'.length))
  }
  const closed: Closed = { version: 1, ids }
  if ((await lake.putIfAbsent(path, JSON.stringify(closed), options)) === 'created') return closed
  const first = await lake.readText(path, options)
  return first === undefined ? closed : readRecordText(Closed, first, path)
}

/**
 * The receipt of a push with its window.
 * @param from when the push began
 * @returns undefined for a push that was never committed
 */
export async function findReceipt(
  lake: Store,
  { place, schedule, id, from, now }: { place: PushFolder; schedule: Schedule; id: string; from: Date; now: Date },
  options?: Options,
): Promise<{ readonly receipt: Receipt; readonly window: Window; readonly isClosed: boolean } | undefined> {
  const last = windowAt(schedule, now)
  for (let window = firstWindow(schedule, from); ; window = shiftWindow(schedule, window, 1)) {
    const path = receiptPath(place, window.label, id)
    const isClosed = await isClosing(lake, place, window.label, options)
    const isListed = !isClosed || (await closeWindow(lake, place, window.label, options)).ids.includes(id)
    const text = isListed ? await lake.readText(path, options) : undefined
    if (text !== undefined) return { receipt: readRecordText(Receipt, text, path), window, isClosed }
    // An open window has no pushes that are unknown to the other windows.
    if (!isClosed && window.start >= last.start) return undefined
  }
}

async function isClosing(lake: Store, place: PushFolder, label: string, options?: Options): Promise<boolean> {
  return (await lake.stat(closingPath(place, label), options)) !== undefined
}
