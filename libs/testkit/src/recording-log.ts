import type { Log, LogMethod } from '@cinelake/core'

export type LogLine = {
  readonly level: string
  readonly message: string
  readonly facts: Readonly<Record<string, unknown>>
}

/** A log that keeps its lines, for tests of what an operator gets to read. */
export function recordingLog(
  facts: Readonly<Record<string, unknown>> = {},
  lines: LogLine[] = [],
): Log & { readonly lines: readonly LogLine[] } {
  const record =
    (level: string): LogMethod =>
    (more, message) =>
      void lines.push({ level, message, facts: { ...facts, ...more } })
  return {
    lines,
    debug: record('debug'),
    info: record('info'),
    warn: record('warn'),
    error: record('error'),
    child: (more) => recordingLog({ ...facts, ...more }, lines),
  }
}
