/** The letters that the engine reads after `%`. Source: duckdb.org/docs/stable/sql/functions/dateformat */
const SPECIFIERS = new Set('aAbBcdfgGHIjmMnpSuUVwWxXyYzZ%')
/** Those that may have a `-` before them: without a leading zero. */
const UNPADDED = new Set('dHIjmMSy')

const DATE_PARTS = new Set('aAbBcdgGjmuUVwWxyY')
const TIME_PARTS = new Set('cfgHIMnpSXzZ')

/** What is wrong with a date format, or undefined. */
export function formatProblem(
  format: string,
  type: 'date' | 'time' | 'timestamp',
): { readonly message: string; readonly remedy: string } | undefined {
  const letters: string[] = []
  for (const [form, dash, letter = ''] of format.matchAll(/%(-?)(.?)/gsu)) {
    if (!SPECIFIERS.has(letter) || (dash === '-' && !UNPADDED.has(letter))) {
      return {
        message: `the format '${format}' has the unknown part \`${form}\``,
        remedy: 'expected strftime letters such as %Y-%m-%d, %d.%m.%Y, %B %d, %Y or %H:%M:%S; a percent sign is %%',
      }
    }
    letters.push(letter)
  }
  const hasDate = letters.some((letter) => DATE_PARTS.has(letter))
  const hasTime = letters.some((letter) => TIME_PARTS.has(letter))
  if (type === 'time' ? hasTime : hasDate) return undefined
  return {
    message: `the format '${format}' names no part of a ${type === 'time' ? 'time' : 'date'}`,
    remedy: type === 'time' ? 'expected letters such as %H:%M:%S' : 'expected letters such as %Y-%m-%d',
  }
}
