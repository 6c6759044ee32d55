import type { AmqpMessage } from './amqp.ts'
import type { Definition } from './emulator-config.ts'
import { createEntity, type Entity } from './entity.ts'
import type { Journal } from './journal.ts'

/** All that a broker keeps, by address. Addresses are compared without regard to case. */
export type Namespace = {
  /** What can be received from. */
  entity(address: string): Entity | undefined
  /** Whether something can be sent there. */
  hasTarget(address: string): boolean
  /** Stores messages in a queue, or in every subscription of a topic: all of them or none. */
  send(address: string, messages: readonly AmqpMessage[]): void
  readonly entities: readonly Entity[]
}

export function createNamespace({ entities, topics }: Definition, journal: Journal): Namespace {
  const byAddress = new Map<string, Entity>()
  for (const [path, settings] of entities) {
    const entity = createEntity(path, settings, journal)
    for (const each of [entity, entity.deadLetters])
      if (each !== undefined) byAddress.set(each.path.toLowerCase(), each)
  }
  const targets = new Map<string, readonly Entity[]>()
  const at = (path: string) => byAddress.get(path.toLowerCase())
  for (const path of entities.keys()) if (!path.includes('/')) targets.set(path.toLowerCase(), present([at(path)]))
  for (const [topic, paths] of topics) targets.set(topic.toLowerCase(), present(paths.map(at)))
  return {
    entity: at,
    hasTarget: (address) => targets.has(address.toLowerCase()),
    send(address, messages) {
      const receivers = targets.get(address.toLowerCase()) ?? []
      journal.write(messages.flatMap((message) => receivers.map((entity) => entity.accept(message))))
    },
    entities: [...byAddress.values()],
  }
}

function present<T>(items: readonly (T | undefined)[]): T[] {
  return items.filter((item) => item !== undefined)
}
