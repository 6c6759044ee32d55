import type { StorageRequest } from './request.ts'

/** The properties by which a fault selects requests. */
export type Target = Pick<StorageRequest, 'method' | 'container' | 'path' | 'query'>

/** What goes wrong. Bytes are counted in the body. */
export type Mishap =
  /** Refused before anything is done. */
  | { readonly kind: 'refuse'; readonly status: number; readonly code: string; readonly retryAfterSeconds?: number }
  /** Done, but the connection is cut before the answer. */
  | { readonly kind: 'lose-answer' }
  /** Cut while the body comes in. */
  | { readonly kind: 'cut-request'; readonly afterBytes: number }
  /** Cut while the body goes out. */
  | { readonly kind: 'cut-answer'; readonly afterBytes: number }
  /** One bit of the body is turned over, on its way in or out. */
  | { readonly kind: 'corrupt-request' | 'corrupt-answer'; readonly atByte: number }
  /** Not begun before the promise is fulfilled. */
  | { readonly kind: 'hold'; readonly until: Promise<unknown> }

export type Fault = {
  readonly when: (target: Target) => boolean
  /** How many requests it befalls; one unless said otherwise. */
  readonly times?: number
  readonly mishap: Mishap
}

/** Things that go wrong, in the order in which they were asked for. */
export type Faults = {
  /** @returns tells how often it has happened */
  add(fault: Fault): { readonly happened: number }
  /** Removes all faults. */
  clear(): void
  /** The fault for this request, if any. */
  next(target: Target): Mishap | undefined
}

export function createFaults(): Faults {
  const planned: { fault: Fault; happened: number }[] = []
  return {
    add(fault) {
      const plan = { fault, happened: 0 }
      planned.push(plan)
      return plan
    },
    clear: () => void planned.splice(0),
    next(target) {
      const plan = planned.find(({ fault, happened }) => happened < (fault.times ?? 1) && fault.when(target))
      if (plan === undefined) return undefined
      plan.happened += 1
      return plan.fault.mishap
    },
  }
}

/** The connection was cut on purpose. */
export class ConnectionCut extends Error {}

/** A body that breaks off. */
export async function* cutAfter(body: AsyncIterable<Uint8Array>, bytes: number): AsyncGenerator<Uint8Array> {
  let left = bytes
  for await (const part of body) {
    if (part.byteLength >= left) {
      yield part.subarray(0, left)
      throw new ConnectionCut()
    }
    left -= part.byteLength
    yield part
  }
}

/** A body with one bit turned over. */
export async function* corruptAt(body: AsyncIterable<Uint8Array>, at: number): AsyncGenerator<Uint8Array> {
  let offset = 0
  for await (const part of body) {
    const index = at - offset
    offset += part.byteLength
    if (index < 0 || index >= part.byteLength) yield part
    else yield part.map((byte, position) => (position === index ? byte ^ 1 : byte))
  }
}
