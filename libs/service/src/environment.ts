import { ConfigError } from '@cinelake/core'
import { hostname } from 'node:os'
import type { z } from 'zod'

/** Settings by name, as they came from the environment. An empty value counts as none. */
export type Settings = Readonly<Record<string, string>>

/** The environment of this process: the only place where it is read. */
export function readSettings(environment: NodeJS.ProcessEnv = process.env): Settings {
  const given = Object.entries(environment).filter((entry): entry is [string, string] => (entry[1] ?? '') !== '')
  return Object.fromEntries(given)
}

/**
 * The environment as typed configuration.
 * @throws {ConfigError} terminal: every setting that is missing or wrong, never a value
 */
export function readEnv<Config>(schema: z.ZodType<Config>, settings: Settings = readSettings()): Config {
  const parsed = schema.safeParse(settings)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map(({ path, message }) => {
    const name = path.map(String).join('.')
    if (name === '') return message
    return path[0] !== undefined && String(path[0]) in settings
      ? `${name}: ${message}`
      : `${name} is not set: ${message}`
  })
  throw new ConfigError('the settings in the environment cannot be used', problems)
}

/** The worker's name for the run history: machine and process. */
export function workerName(): string {
  return `${hostname()}:${process.pid}`
}

/**
 * Whether the standard variables name a collector that takes the process's traces or metrics. Source:
 * opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables
 */
export function isTelemetrySent(signal: 'TRACES' | 'METRICS', settings: Settings): boolean {
  if (settings['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') return false
  if (settings[`OTEL_${signal}_EXPORTER`]?.toLowerCase() === 'none') return false
  return (settings[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`] ?? settings['OTEL_EXPORTER_OTLP_ENDPOINT']) !== undefined
}
