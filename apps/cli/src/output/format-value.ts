/** `1,204` */
export function formatCount(count: number | bigint): string {
  return count.toLocaleString('en-US')
}

/** `85 ms`, `1.4 s`, `2 m 05 s`, `1 h 02 m` */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 100) return `${Math.round(milliseconds)} ms`
  const seconds = milliseconds / 1000
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  const two = (value: number) => String(value).padStart(2, '0')
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${two(whole % 60)} s`
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} m`
}

/** `512 B`, `1.2 MB` */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  for (; value >= 999.5 && unit < units.length - 1; unit += 1) value /= 1000
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

/** `2026-03-02 04:05:06Z`: an instant without the fraction of a second. */
export function formatInstant(instant: string | null): string {
  return instant === null ? '' : `${instant.slice(0, 19).replace('T', ' ')}Z`
}

/**
 * Any value of a query's row, on one line. Numbers get thousands separators, except identifiers and the like (`…_id`,
 * `year`).
 */
export function formatCell(column: string, value: unknown): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'number' || typeof value === 'bigint')
    return isName(column) ? String(value) : formatNumber(value)
  if (typeof value === 'string') return oneLine(value)
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object')) return oneLine(value.join(', '))
  return oneLine(toJson(value, 0))
}

/** JSON that also accepts BigInt: as a number where it fits, otherwise as text. */
export function toJson(value: unknown, indent = 2): string {
  const plain = (_: string, item: unknown) => {
    if (typeof item === 'bigint') return Number.isSafeInteger(Number(item)) ? Number(item) : String(item)
    return item instanceof Uint8Array ? Buffer.from(item).toString('hex') : item
  }
  return JSON.stringify(value, plain, indent) ?? 'null'
}

function formatNumber(value: number | bigint): string {
  if (typeof value === 'bigint' || Number.isInteger(value)) return formatCount(value)
  return value.toLocaleString('en-US', { maximumFractionDigits: 6 })
}

function isName(column: string): boolean {
  return /(^|_)(id|year|version)$/i.test(column)
}

function oneLine(text: string): string {
  return text.replaceAll(/[\r\n\t]+/g, ' ').replaceAll(/\p{Cc}/gu, '�')
}
