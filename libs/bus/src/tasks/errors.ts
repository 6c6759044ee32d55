import { defineErrors, terminal } from '@cinelake/core'

export const busTaskErrors = defineErrors({
  /** A command of a kind that this service does not handle: it was sent to the wrong queue. */
  COMMAND_UNKNOWN: terminal((kind: string, known: readonly string[]) => [
    `command is not for this service [kind=${kind}]: expected one of ${known.join(', ')}; check which queue the scheduler sends it to`,
    { kind, known: known.join(', ') },
  ]),
})
