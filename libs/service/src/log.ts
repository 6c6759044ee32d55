import type { Log } from '@cinelake/core'
import { pino, type DestinationStream, type Logger } from 'pino'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export type LogOptions = {
  readonly service: string
  readonly level?: LogLevel
  /** Applied to every line as it is written: takes out the values of secrets, wherever they slipped in. */
  readonly redact?: (line: string) => string
  /** Where lines go; standard output unless told otherwise. */
  readonly destination?: DestinationStream
}

/** Names of facts that are never printed, whatever they hold: a second fence behind `redact`. */
const SECRET_FACTS = ['password', 'token', 'secret', 'authorization', 'connectionString', 'apiKey']

/** Structured logging as JSON lines, one per message, with an ISO 8601 instant and the level by name. */
export function createLog({ service, level = 'info', redact, destination }: LogOptions): Log {
  const logger = pino(
    {
      level,
      base: { service },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_FACTS.flatMap((fact) => [fact, `*.${fact}`]), censor: '[secret]' },
      ...(redact && { hooks: { streamWrite: redact } }),
    },
    // Synchronous: the last line before a crash is the one that matters.
    destination ?? pino.destination({ dest: 1, sync: true }),
  )
  return adapt(logger)
}

function adapt(logger: Logger): Log {
  return {
    debug: (facts, message) => logger.debug(facts, message),
    info: (facts, message) => logger.info(facts, message),
    warn: (facts, message) => logger.warn(facts, message),
    error: (facts, message) => logger.error(facts, message),
    child: (facts) => adapt(logger.child({ ...facts })),
  }
}
