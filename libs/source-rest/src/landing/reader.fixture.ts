import { silentLog, systemClock } from '@cinelake/core'
import type { Ingest } from '@cinelake/contracts'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { createFill } from '@cinelake/secrets'
import type { PipelineOfSource } from '@cinelake/source-kind'
import { getPipeline } from '@cinelake/testkit'
import type { RestSource } from '../config/index.ts'
import { restKind } from '../rest-kind.ts'

// A worker in a process of its own, to be killed: carries out one ingest command and says when it is done.
const [directory = '', command = '{}'] = process.argv.slice(2)
await using lake = await createDirectoryLake(directory)
const secrets = { get: async () => 'secret', has: async () => true, async [Symbol.asyncDispose]() {} }
const tasks = restKind.createTasks({
  lake,
  fill: createFill({ settings: {}, secrets }),
  clock: systemClock,
  log: silentLog,
})
const ingest = JSON.parse(command) as Ingest
const pipeline = (await getPipeline(lake, ingest.pipeline)) as PipelineOfSource & { readonly sources: RestSource[] }
const source = pipeline.sources.find(({ name }) => name === ingest.source)
if (source === undefined) throw new Error(`no source ${ingest.source}`)
const outcome = await tasks.ingest(
  ingest,
  { pipeline, source },
  {
    signal: new AbortController().signal,
    progress: () => {},
  },
)
process.stdout.write(`${JSON.stringify(outcome.balance)}\n`)
