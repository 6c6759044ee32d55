import type { FilePlace } from '@cinelake/file-places'
import type { Lake } from '@cinelake/lake'
import { createHash } from 'node:crypto'

/** What a delivery does at its place: each write becomes visible in one step. */
export type DeliveryPlace = Pick<Lake, 'location' | 'stat' | 'read' | 'readText' | 'put' | 'write' | 'delete'> &
  AsyncDisposable

/** A folder on a server as the place of deliveries. */
export function onServer(server: FilePlace): DeliveryPlace {
  const { location } = server
  async function* read(path: string, options = {}): AsyncGenerator<Uint8Array> {
    const found = await server.stat(path, options)
    if (found !== undefined) yield* server.read(found, options)
  }
  return {
    location,
    read,
    async stat(path, options = {}) {
      const found = await server.stat(path, options)
      if (found === undefined) return undefined
      return { path, sizeBytes: found.sizeBytes, modifiedAt: new Date(found.modifiedMs) }
    },
    async readText(path, options = {}) {
      const found = await server.stat(path, options)
      if (found === undefined) return undefined
      const blocks: Buffer[] = []
      // A block is valid until the next one.
      for await (const block of server.read(found, options)) blocks.push(Buffer.from(block))
      return Buffer.concat(blocks).toString()
    },
    async put(path, content, options = {}) {
      await server.write(path, blockOf(content), options)
    },
    async write(path, content, options = {}) {
      const hash = createHash('sha256')
      let sizeBytes = 0
      async function* counted() {
        for await (const block of content) {
          hash.update(block)
          sizeBytes += block.byteLength
          yield block
        }
      }
      await server.write(path, counted(), options)
      return { sizeBytes, sha256: hash.digest('hex') }
    },
    async delete(path, options = {}) {
      const found = await server.stat(path, options)
      if (found !== undefined) await server.delete(found, options)
      return found !== undefined
    },
    [Symbol.asyncDispose]: async () => await server[Symbol.asyncDispose](),
  }
}

async function* blockOf(content: string | Uint8Array): AsyncGenerator<Uint8Array> {
  yield typeof content === 'string' ? Buffer.from(content) : content
}
