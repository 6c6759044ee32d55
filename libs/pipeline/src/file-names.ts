import type { Window, WindowLength } from '@cinelake/core'

/** Placeholders of the window in names of files. `{yyyy}`, `{MM}`, `{dd}`, `{HH}` as in `files` of a source. */
const WINDOW_PARTS: Readonly<Record<string, (label: string) => string>> = {
  // A colon cannot be in a file's name everywhere: `2026-03-01T05+0100`.
  window: (label) => label.replaceAll(':', ''),
  date: (label) => `${label.slice(0, 7)}-${label.slice(8, 10) || '01'}`,
  yyyy: (label) => label.slice(0, 4),
  MM: (label) => label.slice(5, 7),
  dd: (label) => label.slice(8, 10) || '01',
  HH: (label) => label.slice(11, 13) || '00',
}

const PLACEHOLDER = /\{([^{}]*)\}/g

/** Placeholders that no pattern has. */
export function unknownPlaceholders(pattern: string): string[] {
  return placeholdersIn(pattern).filter((name) => name !== 'table' && !Object.hasOwn(WINDOW_PARTS, name))
}

export const KNOWN_PLACEHOLDERS: readonly string[] = ['table', ...Object.keys(WINDOW_PARTS)]

function placeholdersIn(pattern: string): string[] {
  return [...pattern.matchAll(PLACEHOLDER)].map(([, name = '']) => name)
}

/** What tells windows of a length apart: any of these sets. */
const TELLING: Readonly<Record<WindowLength, readonly (readonly string[])[]>> = {
  month: [['window'], ['date'], ['yyyy', 'MM']],
  day: [['window'], ['date'], ['yyyy', 'MM', 'dd']],
  hour: [['window'], ['date', 'HH'], ['yyyy', 'MM', 'dd', 'HH']],
}

/** Whether a pattern gives each window names of its own. */
export function tellsWindows(pattern: string, every: WindowLength): boolean {
  const used = new Set(placeholdersIn(pattern))
  return TELLING[every].some((parts) => parts.every((part) => used.has(part)))
}

/**
 * The name of a table's file, below the path of a delivery.
 * @param pattern as `CheckedDelivery.file`
 */
export function fileName(pattern: string, table: string, { label }: Pick<Window, 'label'>): string {
  return pattern.replaceAll(PLACEHOLDER, (whole, name: string) =>
    name === 'table' ? table : (WINDOW_PARTS[name]?.(label) ?? whole),
  )
}

/**
 * The name of the manifest of a delivery: that of its files with the delivery's name for the table's, and an ending of its
 * own. Windows that share their files share it as well.
 */
export function manifestName(pattern: string, delivery: string, window: Pick<Window, 'label'>): string {
  return `${fileName(pattern, delivery, window)}.manifest.json`
}
