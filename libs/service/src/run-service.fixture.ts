import { ConfigError } from '@cinelake/core'
import { z } from 'zod'
import { runService } from './run-service.ts'

/** A minimal service, for tests that start it as a process of its own. */
const Env = z
  .object({
    DEMO_PORT: z.coerce.number().int(),
    DEMO_NAME: z.string(),
    DEMO_FAULT: z.enum(['start', 'config', 'dispose', 'crash', 'hang']).optional(),
    DEMO_TEXT: z.string().default('nothing'),
    DEMO_LEARNT: z.string().default('not learnt yet'),
  })
  .transform((env) => ({ name: env.DEMO_NAME, fault: env.DEMO_FAULT, text: env.DEMO_TEXT, learnt: env.DEMO_LEARNT }))

await runService('demo', Env, async ({ config, log, meter, use, redact, redactWith }) => {
  const resource = (name: string) =>
    use({
      async [Symbol.asyncDispose]() {
        log.info({ name }, 'closed')
        if (config.fault === 'dispose') throw new Error(`cannot close ${name}`)
        if (config.fault === 'hang') await new Promise((resolve) => setTimeout(resolve, 60_000))
      },
    })
  if (config.fault === 'config')
    throw new ConfigError('the lake cannot be used', [`expected a folder, got ${config.text}`])
  resource('lake')
  resource('bus')
  if (config.fault === 'start') throw new Error(`no connection to ${config.text}`)
  log.child({ text: config.text }).debug({}, 'begins')
  redactWith((text) => text.replaceAll(config.learnt, '[learnt]'))
  resource('intake')
  meter.createCounter('demo_things_total', { description: 'Things.' }).add(2, { kind: 'a "b"' })
  const facts = { password: 'hunter2', nested: { token: 'hunter2' }, text: config.text, learnt: config.learnt }
  log.info({ ...facts, number: Number(config.text), redacted: redact(`${config.text} ${config.learnt}`) }, 'opened')
  if (config.fault === 'crash') setImmediate(() => void Promise.reject(new Error(`a bug with ${config.text}`)))
})
