import { Command, Event } from '@cinelake/contracts'
import { busErrors } from './errors.ts'

/**
 * Bytes of UTF-8. Service Bus Standard allows 256 KiB with headers and properties; 4 KiB are reserved for those.
 * Source: learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas
 */
export const MAX_MESSAGE_BYTES = 252 * 1024

/** Serialises messages and parses them; a parsed message matches its contract. */
export type Codec<Message> = {
  /** @throws {MESSAGE_INVALID} @throws {MESSAGE_TOO_LARGE} */
  encode(message: Message): string
  /** @throws {MESSAGE_INVALID} */
  decode(text: string): Message
}

export const commandCodec: Codec<Command> = codecOf('command', Command)
export const eventCodec: Codec<Event> = codecOf('event', Event)

/** The part of a zod schema that is used here. */
type Contract<Message> = {
  safeParse(value: unknown): { success: true; data: Message } | { success: false; error: { issues: readonly Issue[] } }
}
type Issue = { readonly path: readonly PropertyKey[]; readonly message: string }

function codecOf<Message extends { kind: string }>(name: string, contract: Contract<Message>): Codec<Message> {
  const check = (value: unknown): Message => {
    const parsed = contract.safeParse(value)
    if (!parsed.success) throw busErrors.MESSAGE_INVALID(name, parsed.error.issues.map(describeIssue))
    return parsed.data
  }
  return {
    encode(message) {
      const text = JSON.stringify(check(message))
      const sizeBytes = Buffer.byteLength(text)
      if (sizeBytes > MAX_MESSAGE_BYTES) throw busErrors.MESSAGE_TOO_LARGE(message.kind, sizeBytes, MAX_MESSAGE_BYTES)
      return text
    },
    decode: (text) => check(parseJson(name, text)),
  }
}

function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own message quotes the text, which may hold data.
    throw busErrors.MESSAGE_INVALID(name, [`expected JSON, got ${text.length} characters of something else`])
  }
}

function describeIssue({ path, message }: Issue): string {
  return path.length === 0 ? message : `${path.map(String).join('.')}: ${message}`
}
