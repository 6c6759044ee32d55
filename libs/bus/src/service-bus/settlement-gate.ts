/** How a message is settled. */
export type Settling = 'complete' | 'abandon' | 'dead-letter'

/** Serialises settlements of one link. */
export type SettlementGate = {
  /** Begins the settlement in its turn. The next one waits for the turn, not for the broker's answer. */
  pass<T>(how: Settling, settle: () => Promise<T>): Promise<T>
}

/**
 * Separates settlements that must not be sent in one turn of the event loop.
 *
 * rhea, the AMQP library below `@azure/service-bus`, writes the settlements of one turn as one frame for a range of
 * deliveries, and gives a range of two the outcome of the first: `complete` beside `dead-letter` completes both, and a
 * message is lost without an error (rhea 2.0.8 to 3.0.5, session.js, write_dispositions). Completions may share a turn;
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
