import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** One change of what a broker keeps. Changes that belong together are one line, so that a crash leaves all or none. */
export type Change =
  | { readonly op: 'put'; readonly entity: string; readonly message: KeptMessage }
  | { readonly op: 'gone'; readonly entity: string; readonly sequence: number }
  | { readonly op: 'count'; readonly entity: string; readonly sequence: number; readonly deliveryCount: number }
  /** No message of the entity has this number or a higher one yet. */
  | { readonly op: 'next'; readonly entity: string; readonly sequence: number }

export type KeptMessage = {
  readonly sequence: number
  /** Milliseconds since 1970. */
  readonly enqueuedAt: number
  /** Milliseconds since 1970; null: never. */
  readonly expiresAt: number | null
  readonly deliveryCount: number
  /** The encoded AMQP message, base64. */
  readonly bytes: string
}

/** What an entity held when the broker ended. */
export type KeptEntity = { readonly messages: readonly KeptMessage[]; readonly nextSequence: number }

export type Journal = Disposable & {
  /** What was kept, by entity. */
  readonly kept: ReadonlyMap<string, KeptEntity>
  write(changes: readonly Change[]): void
}

/** A journal that keeps nothing. */
export const noJournal: Journal = { kept: new Map(), write() {}, [Symbol.dispose]() {} }

/** Bytes after which the journal is compacted. */
const REWRITE_BYTES = 32 * 1024 * 1024

/**
 * Keeps a broker's messages in `journal.ndjson`, appended to before anything is answered. A killed process loses
 * nothing; a machine that loses its power may lose the last moments. Locks are not kept: after a restart what was
 * locked is free.
 */
export function openJournal(directory: string): Journal {
  mkdirSync(directory, { recursive: true })
  const path = join(directory, 'journal.ndjson')
  const state = existsSync(path) ? replay(readFileSync(path, 'utf8')) : new Map<string, Entity>()
  const kept = new Map(
    [...state].map(([name, { messages, nextSequence }]) => [name, { messages: [...messages.values()], nextSequence }]),
  )
  let file = rewrite(path, state)
  let sizeBytes = 0
  return {
    kept,
    write(changes) {
      if (changes.length === 0) return
      const line = `${JSON.stringify(changes)}\n`
      writeSync(file, line)
      for (const change of changes) apply(state, change)
      sizeBytes += line.length
      if (sizeBytes < REWRITE_BYTES) return
      closeSync(file)
      file = rewrite(path, state)
      sizeBytes = 0
    },
    [Symbol.dispose]: () => closeSync(file),
  }
}

type Entity = { readonly messages: Map<number, KeptMessage>; nextSequence: number }

function replay(text: string): Map<string, Entity> {
  const state = new Map<string, Entity>()
  const lines = text.split('\n')
  // What stands behind the last line break was cut off by a crash, and was never answered.
  for (const line of lines.slice(0, -1)) for (const change of JSON.parse(line) as Change[]) apply(state, change)
  return state
}

function apply(state: Map<string, Entity>, change: Change): void {
  const entity = state.get(change.entity) ?? { messages: new Map<number, KeptMessage>(), nextSequence: 1 }
  state.set(change.entity, entity)
  switch (change.op) {
    case 'put':
      entity.messages.set(change.message.sequence, change.message)
      entity.nextSequence = Math.max(entity.nextSequence, change.message.sequence + 1)
      break
    case 'gone':
      entity.messages.delete(change.sequence)
      break
    case 'count': {
      const message = entity.messages.get(change.sequence)
      if (message !== undefined)
        entity.messages.set(change.sequence, { ...message, deliveryCount: change.deliveryCount })
      break
    }
    case 'next':
      entity.nextSequence = Math.max(entity.nextSequence, change.sequence)
  }
}

/** Replaces the journal in one step. Returns the new one, open for appending. */
function rewrite(path: string, state: ReadonlyMap<string, Entity>): number {
  const fresh = `${path}.new`
  const file = openSync(fresh, 'w')
  for (const [entity, { messages, nextSequence }] of state) {
    const changes: Change[] = [{ op: 'next', entity, sequence: nextSequence }]
    for (const message of messages.values()) changes.push({ op: 'put', entity, message })
    for (const change of changes) writeSync(file, `${JSON.stringify([change])}\n`)
  }
  fsyncSync(file)
  renameSync(fresh, path)
  return file
}
