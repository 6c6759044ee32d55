import { REDACTED, type Log } from '@cinelake/core'
import { pino, type DestinationStream, type Logger } from 'pino'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export type LogOptions = {
  readonly service: string
  readonly level?: LogLevel
  /** Removes the values of secrets. Applied to every line as it is written. */
  readonly redact?: (text: string) => string
  /** The destination of the lines; default: standard output. */
  readonly destination?: DestinationStream
}

/** Names of facts whose values are never printed: a second safeguard behind `redact`. */
const SECRET_FACTS = ['password', 'token', 'secret', 'authorization', 'connectionString', 'apiKey']

/** Structured logging as JSON lines, one per message, with an ISO 8601 instant and the level by name. */
export function createLog({ service, level = 'info', redact, destination }: LogOptions): Log {
  const logger = pino(
    {
      level,
      base: { service },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_FACTS.flatMap((fact) => [fact, `*.${fact}`]), censor: REDACTED },
      ...(redact && { hooks: { streamWrite: (line: string) => redactLine(line, redact) } }),
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

/** Reserved facts: log consumers depend on them. */
const FIXED_FACTS = new Set(['level', 'time'])

/** Value by value where there is something to redact: replacing a secret number must not produce invalid JSON. */
function redactLine(line: string, redact: (text: string) => string): string {
  if (redact(line) === line) return line
  const facts = Object.entries(JSON.parse(line) as Record<string, unknown>)
  const clean = facts.map(([name, fact]) => [name, FIXED_FACTS.has(name) ? fact : redactValue(fact, redact)])
  return `${JSON.stringify(Object.fromEntries(clean))}\n`
}

function redactValue(value: unknown, redact: (text: string) => string): unknown {
  if (typeof value === 'string') return redact(value)
  if (typeof value === 'number') return redact(String(value)) === String(value) ? value : REDACTED
  if (Array.isArray(value)) return value.map((each) => redactValue(each, redact))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [redact(key), redactValue(each, redact)]))
}
