import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'
import { startServiceBusBroker } from './broker.ts'
import { EmulatorConfig } from './emulator-config.ts'

// The loopback broker as a program, where Microsoft's emulator cannot be had. It reads the emulator's Config.json.

const env = z
  .object({
    /** AMQP without TLS. */
    PORT: z.coerce.number().int().default(5672),
    /** `GET /health`, as the emulator has it. */
    HEALTH_PORT: z.coerce.number().int().default(5300),
    HOST: z.string().default('127.0.0.1'),
    /** Path of the entities' definition. */
    CONFIG: z.string(),
    /** Directory that messages are kept in; without it they are gone when the program ends. */
    DATA: z.string().optional(),
  })
  .parse(process.env)

const config = EmulatorConfig.parse(JSON.parse(await readFile(env.CONFIG, 'utf8')))
const broker = await startServiceBusBroker({ config, port: env.PORT, host: env.HOST, directory: env.DATA })
const health = createServer((request, response) => {
  const isHealth = request.url === '/health'
  response.writeHead(isHealth ? 200 : 404, { 'content-type': 'application/json' })
  response.end(JSON.stringify(isHealth ? { status: 'healthy', connections: broker.connectionCount() } : {}))
}).listen(env.HEALTH_PORT, env.HOST)
await once(health, 'listening')
const { port: healthPort } = health.address() as AddressInfo
process.stdout.write(`broker on ${env.HOST}:${broker.port}, health on ${env.HOST}:${healthPort}\n`)

const stopped = Promise.withResolvers<void>()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.resolve())
await stopped.promise
health.close()
await broker[Symbol.asyncDispose]()
