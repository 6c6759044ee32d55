import type { QualityResult } from '@cinelake/contracts'
import type { RunnableModel, SqlSession } from '@cinelake/engine'

type TableRule = RunnableModel['tableRules'][number]
type Expectation = TableRule['expect']

/**
 * Evaluates the table rules over the rows of its next content.
 * @param rows a query for them
 */
export async function askTableRules(
  rules: readonly TableRule[],
  rows: string,
  { session, signal }: { readonly session: Pick<SqlSession, 'rows'>; readonly signal: AbortSignal },
): Promise<QualityResult[]> {
  const results: QualityResult[] = []
  for (const { name, severity, query, expect } of rules) {
    const asked = query.replaceAll('{table}', () => `(${rows}\n)`)
    const [row = {}] = await session.rows<Record<string, unknown>>(asked, { signal })
    const found = Object.values(row)[0]
    const got = typeof found === 'number' || typeof found === 'string' ? found : 'no number'
    const detail = `expected ${describeExpectation(expect)}, got ${got}`
    results.push({ rule: name, severity, checked: 1, failed: isMet(expect, found) ? 0 : 1, detail })
  }
  return results
}

/**
 * Whether a rule allows the number that its query returned. The engine returns decimals as texts; NULL, the result of
 * an aggregate over no rows, is never allowed.
 */
export function isMet({ operator, values }: Expectation, found: unknown): boolean {
  const number = typeof found === 'bigint' || typeof found === 'string' ? Number(found) : found
  const [low = Number.NaN, high = low] = values
  if (typeof number !== 'number' || Number.isNaN(number)) return false
  return COMPARISONS[operator](number, low, high)
}

const COMPARISONS: Readonly<Record<Expectation['operator'], (found: number, low: number, high: number) => boolean>> = {
  '=': (found, low) => found === low,
  '<>': (found, low) => found !== low,
  '<': (found, low) => found < low,
  '<=': (found, low) => found <= low,
  '>': (found, low) => found > low,
  '>=': (found, low) => found >= low,
  between: (found, low, high) => found >= low && found <= high,
  'not between': (found, low, high) => found < low || found > high,
}

/** `>= 10`, `between 1 and 5` */
export function describeExpectation({ operator, values }: Expectation): string {
  return `${operator} ${values.join(' and ')}`
}
