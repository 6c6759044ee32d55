import { z } from 'zod'
import { DEVELOPMENT_ACCOUNT, startAdlsEndpoint } from './endpoint.ts'

/** The endpoint as a program: the lake of `docker compose up`, and of developers who want to look at one. */
const Settings = z.object({
  PORT: z.coerce.number().int().min(0).max(65_535).default(10_004),
  /** Address to listen on; `0.0.0.0` in a container. */
  HOST: z.string().default('127.0.0.1'),
  ADLS_DIRECTORY: z.string(),
  ADLS_ACCOUNT: z.string().default(DEVELOPMENT_ACCOUNT.name),
  /** Base64. */
  ADLS_KEY: z.string().default(DEVELOPMENT_ACCOUNT.key),
  /** Names, separated by commas. */
  ADLS_CONTAINERS: z.string().default('lake'),
})

const settings = Settings.parse(process.env)
const endpoint = await startAdlsEndpoint({
  directory: settings.ADLS_DIRECTORY,
  port: settings.PORT,
  host: settings.HOST,
  account: { name: settings.ADLS_ACCOUNT, key: settings.ADLS_KEY },
  containers: settings.ADLS_CONTAINERS.split(',').filter((name) => name !== ''),
})
process.stdout.write(`serving ${endpoint.account.name} on port ${endpoint.port}\n`)

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => void endpoint[Symbol.asyncDispose]())
}
