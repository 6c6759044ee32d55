/** What can go wrong with a broker, on demand. */
export type Faults = {
  /** Ends every connection, as a network or a broker that fails does. */
  dropConnections(): void
  /** From now on everything that the broker sends of its own accord - messages and answers - comes this much later; 0: not any more. */
  delay(delayMs: number): void
  /** The next settlements happen, but are never answered. */
  loseSettlementAnswers(times?: number): void
  /** The next messages are stored, but that is never answered: their sender will send them again. */
  loseSendAnswers(times?: number): void
  /** The next sends are refused, with nothing stored. */
  refuseSends(times?: number): void
  /** The next renewals of locks are refused for now. */
  refuseRenewals(times?: number): void
  /** Whether tokens are refused, as with a wrong key or a missing role. */
  refuseTokens(isRefusing: boolean): void
  /** From now on the broker says of an entity's locks that they end so soon; they last as long as ever. */
  tellLocks(path: string, lockMs: number): void
  /** Lets every lock of an entity run out now. Returns how many there were. */
  expireLocks(path: string): number
}

/** The faults that wait for their occasion. */
export type PendingFaults = {
  delayMs: number
  lostSettlementAnswers: number
  lostSendAnswers: number
  refusedSends: number
  refusedRenewals: number
  isRefusingTokens: boolean
}

export function noFaults(): PendingFaults {
  return {
    delayMs: 0,
    lostSettlementAnswers: 0,
    lostSendAnswers: 0,
    refusedSends: 0,
    refusedRenewals: 0,
    isRefusingTokens: false,
  }
}

type Countdown = 'lostSettlementAnswers' | 'lostSendAnswers' | 'refusedSends' | 'refusedRenewals'

/** Whether a fault is due; then it is used up. */
export function strikes(faults: PendingFaults, fault: Countdown): boolean {
  if (faults[fault] === 0) return false
  faults[fault] -= 1
  return true
}

/** Runs something now, or later where the broker is to be slow. */
export function delayed({ delayMs }: PendingFaults, run: () => void): void {
  if (delayMs === 0) run()
  else setTimeout(run, delayMs).unref()
}
