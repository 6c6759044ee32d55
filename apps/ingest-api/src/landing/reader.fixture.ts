import { silentLog, systemClock } from '@cinelake/core'
import type { Ingest } from '@cinelake/contracts'
import type { TaskHandler } from '@cinelake/bus'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { createFill } from '@cinelake/secrets'
import { createIngestApiHandlers } from '../handlers.ts'

// A worker in a process of its own, to be killed: carries out one ingest command and says when it is done.
const [directory = '', command = '{}'] = process.argv.slice(2)
await using lake = await createDirectoryLake(directory)
const secrets = { get: async () => 'secret', has: async () => true, async [Symbol.asyncDispose]() {} }
const handlers = createIngestApiHandlers({
  lake,
  fill: createFill({ settings: {}, secrets }),
  clock: systemClock,
  log: silentLog,
})
const ingest = handlers.ingest as TaskHandler<'ingest'>
const outcome = await ingest(JSON.parse(command) as Ingest, {
  signal: new AbortController().signal,
  progress: () => {},
})
process.stdout.write(`${JSON.stringify(outcome.balance)}\n`)
