import { createRedactor } from '@cinelake/core'
import { secretsInEnvironment } from './environment-secrets.ts'
import type { Settings } from './environment.ts'

type Redact = (text: string) => string

/** What a process takes out of its texts before anybody reads them. */
export type Redaction = {
  /** Takes out of a text what is secret in the environment, and what `redactWith` was told of. */
  readonly redact: Redact
  /** Makes `redact` take out more: secrets that become known while the process runs. */
  readonly redactWith: (redact: Redact) => void
}

/** Knows every secret of the environment from the beginning. */
export function createRedaction(settings: Settings): Redaction {
  const redactors: Redact[] = [createRedactor(secretsInEnvironment(settings)).redact]
  return {
    redact: (text) => redactors.reduce((clean, redact) => redact(clean), text),
    redactWith: (redact) => void redactors.push(redact),
  }
}
