import type { Problems } from '@cinelake/config-text'
import type { PlacedRules } from './quality.ts'

/** Rejects are counted by rule name: the rules of one table have distinct names. */
export function uniqueRuleNames(rules: PlacedRules, problems: Problems): void {
  const seen = new Set<string>()
  for (const { rule, at } of [...rules.rows, ...rules.tables]) {
    if (seen.has(rule.name))
      problems.error(at, `two rules are named \`${rule.name}\``, 'give one of them another `name`')
    seen.add(rule.name)
  }
}
