import { ConfigError } from '@cinelake/core'
import { z } from 'zod'
import { runService } from './run-service.ts'

/** A service as small as can be, for tests that start it as a process of its own. */
const Env = z
  .object({
    DEMO_PORT: z.coerce.number().int(),
    DEMO_NAME: z.string(),
    DEMO_FAULT: z.enum(['start', 'config', 'dispose', 'crash', 'hang']).optional(),
    DEMO_SECRET: z.string().default('nothing'),
  })
  .transform((env) => ({ name: env.DEMO_NAME, fault: env.DEMO_FAULT, secret: env.DEMO_SECRET }))

await runService('demo', Env, async ({ config, log, metrics, use, redactWith }) => {
  redactWith((line) => line.replaceAll(config.secret, '[secret]'))
  const resource = (name: string) =>
    use({
      async [Symbol.asyncDispose]() {
        log.info({ name }, 'closed')
        if (config.fault === 'dispose') throw new Error(`cannot close ${name}`)
        if (config.fault === 'hang') await new Promise((resolve) => setTimeout(resolve, 60_000))
      },
    })
  if (config.fault === 'config') throw new ConfigError('the lake cannot be used', ['expected a folder'])
  resource('lake')
  resource('bus')
  if (config.fault === 'start') throw new Error('no connection')
  resource('intake')
  metrics.count('demo_things_total', 'Things.', { kind: 'a "b"' }, 2)
  log.info({ password: 'hunter2', nested: { token: 'hunter2' }, url: `x://me:${config.secret}@host` }, 'opened')
  if (config.fault === 'crash') setImmediate(() => void Promise.reject(new Error('a bug')))
})
