import { setTimeout as pause } from 'node:timers/promises'

/** Milliseconds between two looks. */
const INTERVAL_MS = 5

/** Waits for a condition that something else brings about. Fails with its name when it does not come true in time. */
export async function until(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  timeoutMs = 120_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`did not come true within ${timeoutMs} ms: ${what}`)
    await pause(INTERVAL_MS)
  }
}
