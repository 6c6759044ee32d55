import { createHash, type Hash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import type { HashingAnswer, HashingRequest } from './hashing.ts'

/** A thread that computes digests, in the order of the requests: see `hashing.ts`. */
const wholes = new Map<number, Hash>()

parentPort?.on('message', (request: HashingRequest) => {
  const { content } = request
  switch (request.kind) {
    case 'block': {
      const { buffer, sizeBytes } = request
      const bytes = new Uint8Array(buffer, 0, sizeBytes)
      const whole = wholes.get(content) ?? createHash('sha256')
      wholes.set(content, whole.update(bytes))
      const md5 = createHash('md5').update(bytes).digest('base64')
      parentPort?.postMessage({ kind: 'block', md5, buffer } satisfies HashingAnswer, [buffer])
      return
    }
    case 'end': {
      const whole = wholes.get(content) ?? createHash('sha256')
      wholes.delete(content)
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      parentPort?.postMessage({ kind: 'end', sha256: whole.digest('hex') } satisfies HashingAnswer)
      return
    }
    case 'forget':
      wholes.delete(content)
  }
})
