import type { SourcePlace } from '@cinelake/source-kind'
import { withoutPlaceholders } from '@cinelake/config-text'

/** What stands for a part of the run's window or of the cursor: `{window.start}`, `{since:unix}`, `{window.end:yyyy-MM-dd}`. */
const KNOWN =
  /^\{(?:(?:window\.(?:start|end)|since|until)(?::(?:unix|unixMs|[^{}]*(?:yyyy|MM|dd|HH|mm|ss)[^{}]*))?|window\.(?:date|lastDate|label))\}$/

/** Anything that looks like one of them. JSON and GraphQL have braces too, with blanks, quotes or colons in them. */
const CANDIDATE = /\{[A-Za-z_][\w.]*(?::[^{}]*)?\}/g

/** Whether a text asks where the last window that succeeded ended. */
export const asksForSince = (text: string) => /\{since(?::[^{}]*)?\}/.test(text)

/** Reports what looks like a placeholder of the window and is none. */
export function checkWindowPlaceholders(value: string, what: string, { text, path, problems }: SourcePlace): void {
  for (const [form] of withoutPlaceholders(value).matchAll(CANDIDATE)) {
    if (KNOWN.test(form)) continue
    problems.error(
      text.at(path),
      `unknown part \`${form}\` in ${what}`,
      'expected `{window.start}` or `{window.end}`, `{window.date}`, `{since}` or `{until}`, with a format as in `{window.start:yyyy-MM-dd}` or `{since:unix}`',
    )
  }
}
