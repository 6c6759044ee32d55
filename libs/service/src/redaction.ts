import { createRedactor } from '@cinelake/core'
import { secretsInEnvironment } from './environment-secrets.ts'
import type { Settings } from './environment.ts'

type Redact = (text: string) => string

/** Redaction of a process's texts before they are shown. */
export type Redaction = {
  /** Removes the environment's secrets, and the values given to `redactWith`, from a text. */
  readonly redact: Redact
  /** Makes `redact` remove more values: secrets that become known while the process runs. */
  readonly redactWith: (redact: Redact) => void
}

/** Knows every secret of the environment from the start. */
export function createRedaction(settings: Settings): Redaction {
  const redactors: Redact[] = [createRedactor(secretsInEnvironment(settings)).redact]
  return {
    redact: (text) => redactors.reduce((clean, redact) => redact(clean), text),
    redactWith: (redact) => void redactors.push(redact),
  }
}
