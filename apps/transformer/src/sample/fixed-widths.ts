/** Lines from which columns of blanks speak for fixed widths. */
const MIN_LINES = 4

/**
 * The widths of the fields of a text whose lines have one length, and blanks at the same places, with which values are
 * filled up. Where a field ends between two values is a guess: in the middle of the blanks, unless values stand at the
 * right, or at the left.
 * @param lines all of the text, or its first ones, without their ends
 * @returns undefined where nothing speaks for fixed widths
 */
export function fixedWidthsOf(lines: readonly string[]): readonly number[] | undefined {
  const rows = lines.map((line) => Array.from(line))
  const length = rows[0]?.length ?? 0
  const isEven = rows.length >= MIN_LINES && rows.every((row) => row.length === length)
  if (!isEven || hasDelimiter(lines)) return undefined
  const fields = withoutUnnamed(filledParts(rows, length), rows)
  if (fields.length < 2) return undefined
  // Lines of codes of one length, or of a day and a time, have blanks at the same places as well.
  if (!fields.some(({ from, to }) => rows.some((row) => row[from] === ' ' || row[to - 1] === ' '))) return undefined
  const ends = fields.slice(1).map((right, index) => {
    const left = fields[index] ?? right
    const isLeftSure = rows.every((row) => row[left.to - 1] !== ' ')
    const isRightSure = rows.every((row) => row[right.from] !== ' ')
    if (isRightSure && !isLeftSure) return right.from
    if (isLeftSure && !isRightSure) return left.to
    return Math.ceil((left.to + right.from) / 2)
  })
  return [...ends, length].map((end, index) => end - (ends[index - 1] ?? 0))
}

/** Whether many lines look filled up with blanks: fixed widths would have to be stated. */
export function isFilledUp(lines: readonly string[]): boolean {
  const filled = lines.filter((line) => / {2,}/.test(line.trim()))
  return lines.length >= MIN_LINES && filled.length * 2 > lines.length
}

/** A delimiter that is as often in each line. */
function hasDelimiter(lines: readonly string[]): boolean {
  return [',', ';', '\t', '|'].some((delimiter) => {
    const counts = new Set(lines.map((line) => line.split(delimiter).length))
    return counts.size === 1 && !counts.has(1)
  })
}

type Part = { readonly from: number; readonly to: number }

/** Blanks within a text may be at the same place in all lines: what a header has no name for belongs to the field before. */
function withoutUnnamed(parts: readonly Part[], rows: readonly (readonly string[])[]): Part[] {
  const [head = []] = rows
  if (head.some((character) => /\d/.test(character))) return [...parts]
  const fields: Part[] = []
  for (const part of parts) {
    const before = fields.at(-1)
    const isNamed = head.slice(part.from, part.to).some((character) => character !== ' ')
    if (isNamed || before === undefined) fields.push(part)
    else fields[fields.length - 1] = { from: before.from, to: part.to }
  }
  return fields
}

/** The places at which some line has something, as parts between those at which all have a blank. */
function filledParts(rows: readonly (readonly string[])[], length: number): Part[] {
  const parts: Part[] = []
  let from: number | undefined
  for (let place = 0; place <= length; place += 1) {
    const isFilled = place < length && rows.some((row) => row[place] !== ' ')
    if (isFilled) from ??= place
    else if (from !== undefined) {
      parts.push({ from, to: place })
      from = undefined
    }
  }
  return parts
}
