/** Names of months and weekdays in a language, in lower case, with their numbers as ISO 8601 counts them. */
export type Names = { readonly months: ReadonlyMap<string, number>; readonly weekdays: ReadonlyMap<string, number> }

/**
 * The names that a language has for months and weekdays, long and short, alone and in a date (`март`, `марта`). English
 * names count in every language. Source: unicode.org/cldr, by Intl
 * @param language an IETF tag: `de`, `fr-CA`
 */
export function namesIn(language = 'en'): Names {
  const months = new Map<string, number>()
  const weekdays = new Map<string, number>()
  // A name that two languages use for different months is the column's language's.
  for (const tag of [language, 'en']) {
    for (const form of ['long', 'short'] as const) {
      for (const extra of [{}, { day: 'numeric' }, { day: 'numeric', year: 'numeric' }] as const) {
        const format = new Intl.DateTimeFormat(tag, { month: form, timeZone: 'UTC', calendar: 'gregory', ...extra })
        for (let month = 0; month < 12; month++)
          add(months, partOf(format, 'month', Date.UTC(2024, month, 1)), month + 1)
      }
      const format = new Intl.DateTimeFormat(tag, { weekday: form, timeZone: 'UTC', calendar: 'gregory' })
      // 2024-01-01 was a Monday.
      for (let day = 0; day < 7; day++) add(weekdays, partOf(format, 'weekday', Date.UTC(2024, 0, day + 1)), day + 1)
    }
  }
  // Usual in English, beside CLDR's `Sep`.
  add(months, 'sept', 9)
  return { months, weekdays }
}

function partOf(format: Intl.DateTimeFormat, type: 'month' | 'weekday', at: number): string {
  return format.formatToParts(at).find((part) => part.type === type)?.value ?? ''
}

/** A dot at the end belongs to the pattern, not to the name. */
function add(names: Map<string, number>, name: string, number: number): void {
  const plain = name.toLowerCase().replace(/\.$/, '')
  if (/\p{L}/u.test(plain) && !names.has(plain)) names.set(plain, number)
}
