// Delivers, and kills itself before a change of the place. Run by kills.test.ts.
import type { CommandOf } from '@cinelake/bus'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { deliverer, withSteps, WORK } from './given.fixture.ts'

const [root = '', scratchDirectory = '', at = '', command = ''] = process.argv.slice(2)
const engine = await createDuckDbEngine({ memoryBytes: 256e6, threads: 1, scratchDirectory, directories: [root] })
const lake = await createDirectoryLake(root)
let steps = 0
const deliver = deliverer(lake, engine, (place) =>
  withSteps(place, () => {
    steps += 1
    if (steps === Number(at)) process.kill(process.pid, 'SIGKILL')
  }),
)
await deliver(JSON.parse(command) as CommandOf<'deliver'>, WORK)
await lake[Symbol.asyncDispose]()
await engine[Symbol.asyncDispose]()
