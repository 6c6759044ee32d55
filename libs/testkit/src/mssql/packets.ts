import type { Duplex } from 'node:stream'

/** Types of messages of the Tabular Data Stream protocol. Source: MS-TDS 2.2.3.1.1 */
export const MESSAGE = {
  batch: 0x01,
  rpc: 0x03,
  result: 0x04,
  attention: 0x06,
  bulk: 0x07,
  token: 0x08,
  transaction: 0x0e,
  login: 0x10,
  prelogin: 0x12,
} as const

export type Message = {
  readonly type: number
  readonly payload: Buffer
  /** The client has thought better of it while it sent it. */
  readonly isIgnored: boolean
}

const HEADER_BYTES = 8
/** Source: MS-TDS, the size that both sides begin with. */
const PACKET_BYTES = 4096
const END = 0x01
const IGNORE = 0x02

/** Messages as they arrive, each put together from its packets. */
export async function* readMessages(stream: Duplex): AsyncGenerator<Message> {
  let pending: Buffer = Buffer.alloc(0)
  let parts: Buffer[] = []
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    while (pending.length >= HEADER_BYTES && pending.length >= pending.readUInt16BE(2)) {
      const size = pending.readUInt16BE(2)
      const [type, status] = [pending.readUInt8(0), pending.readUInt8(1)]
      parts.push(pending.subarray(HEADER_BYTES, size))
      pending = pending.subarray(size)
      if ((status & END) === 0) continue
      yield { type, payload: Buffer.concat(parts), isIgnored: (status & IGNORE) !== 0 }
      parts = []
    }
  }
}

/** A message as packets of the size that was agreed on. */
export function packets(type: number, payload: Buffer): Buffer {
  const room = PACKET_BYTES - HEADER_BYTES
  const count = Math.max(1, Math.ceil(payload.length / room))
  return Buffer.concat(
    Array.from({ length: count }, (_, index) => {
      const part = payload.subarray(index * room, (index + 1) * room)
      const header = Buffer.alloc(HEADER_BYTES)
      header.writeUInt8(type, 0)
      header.writeUInt8(index === count - 1 ? END : 0, 1)
      header.writeUInt16BE(part.length + HEADER_BYTES, 2)
      header.writeUInt8((index + 1) % 256, 6)
      return Buffer.concat([header, part])
    }),
  )
}
