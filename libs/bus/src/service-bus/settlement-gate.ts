/** How a message is settled. */
export type Settling = 'complete' | 'abandon' | 'dead-letter'

/** Lets settlements of one link through in turn. */
export type SettlementGate = {
  /** Begins the settlement when its turn has come. The next one waits for the turn, not for the broker's answer. */
  pass<T>(how: Settling, settle: () => Promise<T>): Promise<T>
}

/**
 * Keeps settlements apart that must not leave in one turn of the event loop.
 *
 * rhea, the AMQP library below `@azure/service-bus`, writes what was settled in one turn as one frame for a range of
 * deliveries, and gives a range of two the outcome of the first alone: `complete` beside `dead-letter` completes both, and
 * a message is lost without an error (rhea 2.0.8 to 3.0.5, session.js, write_dispositions). Completions may share a turn;
 * anything else gets a turn of its own.
 */
export function createSettlementGate(): SettlementGate {
  let last: Settling | undefined
  let turn: Promise<void> = Promise.resolve()
  const follow = async (before: Promise<void>, how: Settling) => {
    await before
    if (how !== 'complete' || last !== 'complete') await nextTurn()
    last = how
  }
  return {
    async pass(how, settle) {
      turn = follow(turn, how)
      await turn
      return await settle()
    },
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}
