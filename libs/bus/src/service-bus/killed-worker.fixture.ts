import { systemClock, silentLog } from '@cinelake/core'
import { createServiceBus } from './bus.ts'
import { runTaskWorker } from '../tasks/task-worker.ts'

// A worker that begins a task and never finishes it, in a process of its own: to be killed.
const [connectionString = ''] = process.argv.slice(2)
await runTaskWorker({
  bus: createServiceBus({ entrance: { connectionString } }),
  queue: 'loader',
  worker: 'killed:1',
  handlers: { load: () => new Promise(() => {}) },
  clock: systemClock,
  log: silentLog,
})
