import { Worker } from 'node:worker_threads'

/** Requests to the thread. Buffers are transferred to it and back, so they are not shared. */
export type HashingRequest =
  | { readonly kind: 'block'; readonly content: number; readonly buffer: ArrayBuffer; readonly sizeBytes: number }
  | { readonly kind: 'end' | 'forget'; readonly content: number }

/** Its answers, in the order of the requests. */
export type HashingAnswer =
  | { readonly kind: 'block'; readonly md5: string; readonly buffer: ArrayBuffer }
  | { readonly kind: 'end'; readonly sha256: string }

/** A block with its digest. */
export type HashedBlock = { readonly buffer: Buffer; readonly bytes: Buffer; readonly md5: Buffer }

/** The digests of one content: of each of its blocks, and of all of it. */
export type ContentHash = Disposable & {
  /** The buffer is unavailable until the promise resolves. @param buffer starts at offset 0 of its own memory */
  add(buffer: Buffer, sizeBytes: number): Promise<HashedBlock>
  /** @returns SHA-256 of all blocks in the order in which they were added, lowercase hex */
  end(): Promise<string>
}

/** Computes digests of large contents in a thread, so that they do not block the one that drives the sockets. */
export type Hashing = AsyncDisposable & { readonly content: () => ContentHash }

export function createHashing(): Hashing {
  let thread: Thread | undefined
  let last = 0
  return {
    content() {
      // Started on first use, and again if it ended: a lake of small objects needs none.
      if (thread?.hasEnded() !== false) thread = startThread()
      return contentOf(thread, ++last)
    },
    async [Symbol.asyncDispose]() {
      await thread?.end()
    },
  }
}

function contentOf(thread: Thread, content: number): ContentHash {
  let isOpen = true
  return {
    async add({ buffer, byteLength }, sizeBytes) {
      const memory = buffer as ArrayBuffer
      const answer = await thread.ask({ kind: 'block', content, buffer: memory, sizeBytes }, [memory])
      if (answer.kind !== 'block') throw new Error(`expected the digest of a block, got ${answer.kind}`)
      const back = Buffer.from(answer.buffer, 0, byteLength)
      return { buffer: back, bytes: back.subarray(0, sizeBytes), md5: Buffer.from(answer.md5, 'base64') }
    },
    async end() {
      isOpen = false
      const answer = await thread.ask({ kind: 'end', content })
      if (answer.kind !== 'end') throw new Error(`expected the digest of a content, got ${answer.kind}`)
      return answer.sha256
    },
    [Symbol.dispose]() {
      if (isOpen) thread.tell({ kind: 'forget', content })
    },
  }
}

type Thread = ReturnType<typeof startThread>

function startThread() {
  const script = import.meta.url.endsWith('.ts')
    ? new URL('./hashing-worker.ts', import.meta.url)
    : new URL('./hashing-worker.js', import.meta.url)
  // Flags of this process, such as `--eval`, are not passed to the thread.
  const worker = new Worker(script, { execArgv: [], resourceLimits: { maxOldGenerationSizeMb: 32 } })
  const waiting: PromiseWithResolvers<HashingAnswer>[] = []
  let failure: Error | undefined
  const fail = (error: Error) => {
    failure ??= error
    for (const { reject } of waiting.splice(0)) reject(failure)
  }
  worker.on('error', fail)
  worker.on('exit', () => fail(new Error('the thread that computes digests has ended')))
  worker.on('message', (answer: HashingAnswer) => {
    waiting.shift()?.resolve(answer)
    if (waiting.length === 0) worker.unref()
  })
  // Keeps the process alive only while a digest is pending.
  worker.unref()
  return {
    hasEnded: () => failure !== undefined,
    async ask(request: HashingRequest, moved: readonly ArrayBuffer[] = []): Promise<HashingAnswer> {
      if (failure !== undefined) throw failure
      const answer = Promise.withResolvers<HashingAnswer>()
      waiting.push(answer)
      worker.ref()
      worker.postMessage(request, moved)
      return await answer.promise
    },
    tell(request: HashingRequest) {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      worker.postMessage(request)
    },
    async end() {
      await worker.terminate()
    },
  }
}
