import { defineErrors, reportError, transient } from '@cinelake/core'
import { setTimeout as pause } from 'node:timers/promises'

/** The result of one check. */
export type Finding = {
  /** The thing that was checked: `bus`, `folder catalogue/titles`. */
  readonly check: string
  /** `skipped`: nothing to check. */
  readonly outcome: 'fine' | 'problem' | 'skipped'
  /** Details of the result; for a problem, also what to do. */
  readonly detail: string
}

const checkErrors = defineErrors({
  /** Something that a site needs does not answer. */
  AGENT_CHECK_TIMEOUT: transient((check: string, timeoutMs: number) => [
    `no answer [check=${check}]: expected one within ${timeoutMs / 1000} s, got none; ` +
      'a firewall that drops what it does not let through looks like this',
    { check, timeoutMs },
  ]),
})

type Options = {
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** Redacts secrets from error messages. */
  readonly redact: (text: string) => string
}

/** Runs one check. Any error is a problem, with the error's message. */
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
    // Cancelled, or the check has ended: the result is not needed any more.
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
