/** Bytes in each unit that sizes are written with. */
const UNITS: Readonly<Record<string, number>> = {
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
}

/** `10MB` in bytes. The text's form has been checked. */
export function sizeBytes(text: string): number {
  const [, amount = '0', unit = 'KB'] = /^(\d+)(\D+)$/.exec(text) ?? []
  return Number(amount) * (UNITS[unit] ?? 1)
}
