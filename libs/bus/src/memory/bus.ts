import type { Command, Event, Queue } from '@cinelake/contracts'
import { CancelledError, type Clock, type Log, reportError, silentLog, systemClock } from '@cinelake/core'
import { randomUUID } from 'node:crypto'
import type { ConsumeOptions, Consumer, MessageBus, MessageHandler } from '../bus.ts'
import { type Codec, commandCodec, eventCodec } from '../codec.ts'
import { busErrors } from '../errors.ts'
import { workOn } from '../lease.ts'
import { createEntity, type Entity, type MemoryLease } from './entity.ts'
import { activeTrace, type Traced } from '../tracing.ts'
import { systemTimers, type Timers } from './timers.ts'

export type MemoryBusOptions = {
  readonly clock?: Clock
  readonly timers?: Timers
  /** Lock duration of a delivery; renewed at half of it while the handler works. */
  readonly lockMs?: number
  /** Deliveries before a message is dead-lettered. */
  readonly maxDeliveryCount?: number
  /** Index of the waiting message to deliver next, given their number; 0 is the oldest. For tests of reordering. */
  readonly pick?: (waitingCount: number) => number
  readonly log?: Log
}

/** Injectable broker faults. Entities are named as in `deadLetters`. */
type MemoryBusFaults = {
  /** Expires every lock of an entity now, as after a stalled process. Returns how many there were. */
  expireLocks(entity: string): number
  /** The next message is stored twice. May be called several times. */
  duplicateNext(entity: string): void
  /** The next message becomes visible after later ones. */
  delayNext(entity: string, delayMs: number): void
  /**
   * The next calls of `send` or `publish` fail without storing the message. Calling it again meanwhile does not add to
   * the number.
   */
  refuseNext(times?: number): void
  /** Stores a raw body, valid or not. */
  inject(entity: string, body: string): void
}

interface MemoryBus extends MessageBus {
  readonly faults: MemoryBusFaults
  /** Resolves when every message has been settled or dead-lettered. */
  idle(): Promise<void>
}

/**
 * Service Bus' own defaults. Source: learn.microsoft.com/azure/service-bus-messaging/message-transfers-locks-settlement
 */
const DEFAULT_LOCK_MS = 60_000
const DEFAULT_MAX_DELIVERY_COUNT = 10

/**
 * The message bus of a single process, with the semantics of peek-lock: a delivery is locked, the lock is renewed while
 * the handler works, and a message whose lock expired or that was abandoned is delivered again. Messages pass as
 * serialised text, so that nothing is shared by reference. Nothing is kept when the process ends.
 */
export function createMemoryBus(options: MemoryBusOptions = {}): MemoryBus {
  const { timers = systemTimers, lockMs = DEFAULT_LOCK_MS, log = silentLog } = options
  const entities = new Map<string, Entity>()
  const consumers = new Set<Consumer>()
  let idleWaiters: (() => void)[] = []
  let refusals = 0
  let isClosed = false

  const openCount = () => [...entities.values()].reduce((sum, entity) => sum + entity.openCount(), 0)

  const onSettled = () => {
    if (openCount() > 0) return
    for (const resolve of idleWaiters) resolve()
    idleWaiters = []
  }

  const entityOf = (name: string): Entity => {
    const known = entities.get(name)
    if (known !== undefined) return known
    const entity = createEntity(name, {
      clock: options.clock ?? systemClock,
      timers,
      lockMs,
      maxDeliveryCount: options.maxDeliveryCount ?? DEFAULT_MAX_DELIVERY_COUNT,
      pick: options.pick ?? (() => 0),
      onSettled,
    })
    entities.set(name, entity)
    return entity
  }

  const checkOpen = (doing: string) => {
    if (isClosed) throw busErrors.BUS_UNAVAILABLE(doing, 'CLOSED')
    if (refusals === 0) return
    refusals -= 1
    throw busErrors.BUS_UNAVAILABLE(doing, 'REFUSED')
  }

  const start = <Message extends Traced>(
    name: string,
    codec: Codec<Message>,
    handler: MessageHandler<Message>,
    { concurrency = 1 }: ConsumeOptions = {},
  ): Consumer => {
    if (isClosed) throw busErrors.BUS_UNAVAILABLE(`consume ${name}`, 'CLOSED')
    const running = startConsumer({ entity: entityOf(name), codec, handler, concurrency, timers, lockMs, log })
    const consumer: Consumer = {
      async [Symbol.asyncDispose]() {
        await running[Symbol.asyncDispose]()
        consumers.delete(consumer)
      },
    }
    consumers.add(consumer)
    return consumer
  }

  return {
    async send(queue: Queue, command: Command) {
      const text = commandCodec.encode(command)
      checkOpen(`send ${command.kind}`)
      entityOf(queue).accept({ id: command.id, text, sentIn: activeTrace() })
    },
    async publish(event: Event) {
      const text = eventCodec.encode(event)
      checkOpen(`publish ${event.kind}`)
      const message = { id: event.id, text, sentIn: activeTrace() }
      for (const entity of entities.values()) if (entity.name.startsWith(SUBSCRIPTION)) entity.accept(message)
    },
    consume: async (queue, handler, consumeOptions) => start(queue, commandCodec, handler, consumeOptions),
    subscribe: async (subscription, handler, consumeOptions) =>
      start(`${SUBSCRIPTION}${subscription}`, eventCodec, handler, consumeOptions),
    deadLetters: async (entity) => entities.get(entity)?.deadLetters() ?? [],
    resend: async (entity, id) => entities.get(entity)?.resend(id) ?? false,
    discard: async (entity, id) => entities.get(entity)?.discard(id) ?? false,
    resendAll: async (entity) => entities.get(entity)?.resendAll() ?? 0,
    discardAll: async (entity) => entities.get(entity)?.discardAll() ?? 0,
    faults: {
      expireLocks: (entity) => entityOf(entity).expireLocks(),
      duplicateNext: (entity) => entityOf(entity).duplicateNext(),
      delayNext: (entity, delayMs) => entityOf(entity).delayNext(delayMs),
      refuseNext: (times = 1) => void (refusals = Math.max(refusals, times)),
      inject: (entity, body) => entityOf(entity).accept({ id: randomUUID(), text: body, sentIn: {} }),
    },
    idle: () => (openCount() === 0 ? Promise.resolve() : new Promise((resolve) => idleWaiters.push(resolve))),
    async [Symbol.asyncDispose]() {
      // Running handlers may still settle their messages.
      await Promise.all([...consumers].map((consumer) => consumer[Symbol.asyncDispose]()))
      isClosed = true
      for (const entity of entities.values()) entity.close()
    },
  }
}

/** The name of a subscription's entity. */
const SUBSCRIPTION = 'events/'

type ConsumerSettings<Message> = {
  readonly entity: Entity
  readonly codec: Codec<Message>
  readonly handler: MessageHandler<Message>
  readonly concurrency: number
  readonly timers: Timers
  readonly lockMs: number
  readonly log: Log
}

/** Receives messages under a lock, renews the lock while the handler works, and settles according to the result. */
function startConsumer<Message extends Traced>(settings: ConsumerSettings<Message>): Consumer {
  const stop = new AbortController()
  const loops = Array.from({ length: settings.concurrency }, () => takeUntil(stop.signal, settings))
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await Promise.all(loops)
    },
  }
}

async function takeUntil<Message extends Traced>(
  stop: AbortSignal,
  settings: ConsumerSettings<Message>,
): Promise<void> {
  const { entity, codec, handler, log } = settings
  for (;;) {
    const lease = await entity.receive(stop)
    if (lease === undefined) return
    if (stop.aborted) {
      lease.giveBack(reportError(new CancelledError('message')))
      continue
    }
    const stopRenewing = keepRenewing(lease, settings)
    await workOn(lease, stop, { entity: entity.name, codec, handler, log }).finally(stopRenewing)
  }
}

/** Renews at half the lock duration, so that one late timer does no harm. */
function keepRenewing(
  lease: MemoryLease,
  { timers, lockMs }: Pick<ConsumerSettings<unknown>, 'timers' | 'lockMs'>,
): () => void {
  let cancel = () => {}
  const next = () => {
    cancel = timers.after(lockMs / 2, () => {
      if (lease.renew()) next()
    })
  }
  next()
  return () => cancel()
}
