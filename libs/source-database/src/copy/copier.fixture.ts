import { join } from 'node:path'
import type { Ingest } from '@cinelake/contracts'
import { silentLog, systemClock } from '@cinelake/core'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { createFill } from '@cinelake/secrets'
import { createEnvSecrets } from '@cinelake/secrets/env'
import type { PipelineOfSource } from '@cinelake/source-kind'
import { getPipeline } from '@cinelake/testkit'
import type { DatabaseSource } from '../config/index.ts'
import { createDatabaseTasks } from '../database-tasks.ts'

// An agent in a process of its own, to be killed: carries out one ingest command and says when it is done.
const [directory = '', command = '{}'] = process.argv.slice(2)
const MIB = 1024 * 1024
await using lake = await createDirectoryLake(join(directory, 'lake'))
const scratchDirectory = join(directory, 'scratch')
await using engine = await createDuckDbEngine({
  memoryBytes: 256 * MIB,
  threads: 2,
  scratchDirectory,
  directories: [directory],
})
const fill = createFill({ settings: {}, secrets: createEnvSecrets({}) })
const tasks = createDatabaseTasks({ lake, engine, fill, clock: systemClock, log: silentLog })
const ingest = JSON.parse(command) as Ingest
const context = { signal: new AbortController().signal, progress: () => {} }
const pipeline = (await getPipeline(lake, ingest.pipeline)) as PipelineOfSource & { readonly sources: DatabaseSource[] }
const source = pipeline.sources.find(({ name }) => name === ingest.source)
if (source === undefined) throw new Error(`no source ${ingest.source}`)
const outcome = await tasks.ingest(ingest, { pipeline, source }, context)
process.stdout.write(`${JSON.stringify(outcome.balance)}\n`)
