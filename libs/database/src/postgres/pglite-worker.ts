import { PGlite, types } from '@electric-sql/pglite'
import { rename, rm, stat } from 'node:fs/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { reasonOf } from '@cinelake/core'
import { systemCodeOf } from './pglite-disk.ts'
import type { EmbeddedCall, EmbeddedOpening, EmbeddedReply, EmbeddedRequest, EmbeddedResult } from './pglite-thread.ts'

// The worker thread of `openEmbeddedPostgres`: the database runs here, so that the process stays responsive, and so
// that a statement that has to end can be ended by ending the thread.

/**
 * PGlite's own default takes 160 MiB at once; for one connection and a mart that is mostly read through this is enough.
 */
const SHARED_BUFFERS = '32MB'

/** Times as text: a JavaScript date has neither microseconds nor years beyond 275760. */
const TIMES_AS_TEXT = {
  [types.DATE]: (value: string) => value,
  [types.TIMESTAMP]: (value: string) => value.replace(' ', 'T'),
  [types.TIMESTAMPTZ]: (value: string) => value.replace(' ', 'T').replace(/\+00(:00)?$/, 'Z'),
}

/** A transaction with another role by `SET LOCAL SESSION AUTHORIZATION` needs one to go back to; PGlite notes none. */
const KEEP_USER = `SELECT set_config('session_authorization', current_user, false)`

/** Fields of a database error in addition to its message. */
const FAULT_FIELDS = ['code', 'severity', 'detail', 'hint', 'where', 'column', 'table', 'position', 'internalPosition']

const opening = open((workerData as EmbeddedOpening).directory)
void opening.then(
  () => reply({ id: 0, ok: true, value: undefined }),
  (error: unknown) => reply(failure(0, error)),
)
parentPort?.on('message', (request: EmbeddedRequest) => {
  void answer(request).then(reply)
})

function reply(message: EmbeddedReply): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort?.postMessage(message)
}

async function answer(request: EmbeddedRequest): Promise<EmbeddedReply> {
  try {
    return { id: request.id, ok: true, value: await run(await opening, request) }
  } catch (error) {
    return failure(request.id, error)
  }
}

async function run(pglite: PGlite, call: EmbeddedCall): Promise<unknown> {
  switch (call.kind) {
    case 'query': {
      const { sql, values, rowMode, timesAsText, copyText } = call
      const result = await pglite.query(sql, [...values], {
        rowMode,
        ...(timesAsText ? { parsers: TIMES_AS_TEXT } : {}),
        ...(copyText === undefined ? {} : { blob: new Blob([copyText]) }),
      })
      return bare(result)
    }
    case 'exec':
      return (await pglite.exec(call.sql)).map(bare)
    case 'raw': {
      const output: Uint8Array[] = []
      // The output's memory belongs to the database: it is used again for the next message.
      await pglite.execProtocolRawStream(call.bytes, { onRawData: (data) => void output.push(Buffer.from(data)) })
      return Buffer.concat(output)
    }
    case 'describe':
      return (await pglite.describeQuery(call.sql)).resultFields.map(({ name, dataTypeID }) => ({ name, dataTypeID }))
    default:
      return await pglite.close()
  }
}

function bare({ rows, fields, affectedRows }: EmbeddedResult): EmbeddedResult {
  return { rows, fields, ...(affectedRows === undefined ? {} : { affectedRows }) }
}

function failure(id: number, error: unknown): EmbeddedReply {
  const found = error instanceof Error ? (error as Error & Record<string, unknown>) : undefined
  const fields = FAULT_FIELDS.flatMap((name) => {
    const value = found?.[name]
    return typeof value === 'string' ? [[name, value] as const] : []
  })
  // Objects that are not `Error`s lose their class on the way to the other thread.
  const code = systemCodeOf(error)
  const known = { ...(code === undefined ? {} : { code }), ...Object.fromEntries(fields) }
  return { id, ok: false, message: reasonOf(error), fields: known }
}

async function open(directory: string | undefined): Promise<PGlite> {
  if (directory !== undefined) {
    const found = await stat(directory).catch(() => undefined)
    if (found === undefined) await initialize(directory)
    else if (!found.isDirectory()) throw new Error('it is a file, not a directory')
  }
  const pglite = await start(directory)
  await pglite.exec(`SET TIME ZONE 'UTC'; ${KEEP_USER}`)
  return pglite
}

/** A database gets its name when it is whole: a process killed while it makes one leaves nothing that looks like one. */
async function initialize(target: string): Promise<void> {
  const draft = `${target}.new`
  await rm(draft, { recursive: true, force: true })
  try {
    const pglite = await start(draft)
    await pglite.close()
    await rename(draft, target)
  } catch (error) {
    // A draft that did not fit would keep the disk full.
    await rm(draft, { recursive: true, force: true }).catch(() => undefined)
    throw error
  }
}

async function start(dataDir?: string): Promise<PGlite> {
  return await PGlite.create({
    ...(dataDir === undefined ? {} : { dataDir }),
    startParams: [...PGlite.defaultStartParams, '-c', `shared_buffers=${SHARED_BUFFERS}`, '-c', 'max_wal_size=128MB'],
  })
}
