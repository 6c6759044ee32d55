/** Milliseconds in each unit that durations are written with. */
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `90s`, `3h` in milliseconds. The text's form has been checked. */
export function durationMs(text: string): number {
  const [, amount = '0', unit = 'ms'] = /^(\d+)(\D+)$/.exec(text) ?? []
  return Number(amount) * (UNITS[unit] ?? 1)
}
