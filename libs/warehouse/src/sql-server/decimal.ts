/**
 * Reads a decimal exactly; the driver's own way goes through a double and damages what has more than 15 digits.
 * @param scale digits after the point; further ones are rounded half away from zero, as databases do
 * @returns the number times 10^scale; undefined for what is no number
 */
export function parseDecimal(value: string | number | bigint, scale: number): bigint | undefined {
  if (typeof value === 'bigint') return value * 10n ** BigInt(scale)
  const text = typeof value === 'number' ? plain(value, scale) : value
  const [, sign, whole = '', fraction = ''] = /^([+-]?)(\d*)(?:\.(\d*))?$/.exec(text) ?? []
  if (sign === undefined || (whole === '' && fraction === '')) return undefined
  const scaled = BigInt(whole + fraction.slice(0, scale).padEnd(scale, '0'))
  const magnitude = fraction.length > scale && fraction.charAt(scale) >= '5' ? scaled + 1n : scaled
  return sign === '-' ? -magnitude : magnitude
}

/** `toFixed` writes no exponents below 1e21, and no decimal column holds more than that of a double's digits anyway. */
function plain(value: number, scale: number): string {
  return Math.abs(value) < 1e21
    ? value.toFixed(Math.min(scale, 100))
    : Number.isFinite(value)
      ? String(BigInt(value))
      : ''
}
