import { defineErrors, reportError, transient } from '@cinelake/core'
import { setTimeout as pause } from 'node:timers/promises'

/** What one check found. */
export type Finding = {
  /** What was looked at: `bus`, `folder catalogue/titles`. */
  readonly check: string
  /** `skipped`: there is nothing to look at. */
  readonly outcome: 'fine' | 'problem' | 'skipped'
  /** What is there; of a problem, also what to do. */
  readonly detail: string
}

const checkErrors = defineErrors({
  /** Something that a site needs answers nothing. */
  AGENT_CHECK_TIMEOUT: transient((check: string, timeoutMs: number) => [
    `no answer [check=${check}]: expected one within ${timeoutMs / 1000} s, got none; ` +
      'a firewall that drops what it does not let through looks like this',
    { check, timeoutMs },
  ]),
})

type Options = {
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** Takes secrets out of what an error says. */
  readonly redact: (text: string) => string
}

/** Runs one check. Whatever it throws is a problem, in the words of the error. */
export async function find(
  check: string,
  { timeoutMs, signal, redact }: Options,
  run: (signal: AbortSignal) => Promise<string | Omit<Finding, 'check'>>,
): Promise<Finding> {
  const stop = new AbortController()
  const stopped = AbortSignal.any([signal, stop.signal])
  const tooLate = pause(timeoutMs, undefined, { signal: stopped, ref: false }).then(
    () => {
      throw checkErrors.AGENT_CHECK_TIMEOUT(check, timeoutMs)
    },
    // Told to stop, or the check has ended: then nobody waits for this.
    () => new Promise<never>(() => {}),
  )
  try {
    const found = await Promise.race([run(stopped), tooLate])
    return typeof found === 'string' ? { check, outcome: 'fine', detail: found } : { check, ...found }
  } catch (error) {
    signal.throwIfAborted()
    return { check, outcome: 'problem', detail: redact(reportError(error).message) }
  } finally {
    stop.abort()
  }
}
