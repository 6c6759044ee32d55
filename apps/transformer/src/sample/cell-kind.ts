/** What a cell looks like, roughly: enough to tell a name from a value. */
export function kindOf(cell: string): 'number' | 'date' | 'address' | 'text' {
  const text = cell.trim()
  if (/^[-+(]?[$€£¥₹]?\s?[-+]?(?:\d[\d.,' \u{a0}\u{202f}]*|\.\d+)(?:[eE][-+]?\d+)?\s?[%€$£)]?-?$/u.test(text)) {
    return /^\d{1,2}\.\d{1,2}\.\d{2,4}$/.test(text) ? 'date' : 'number'
  }
  if (/^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[T ].*)?$/.test(text) || /^\d{1,2}[- ]\p{L}{3,9}\.?[- ]\d{2,4}$/u.test(text))
    return 'date'
  if (/^\p{L}{3,9}\.? \d{1,2}[,.]? \d{4}$/u.test(text) || /^\d{1,2}:\d{2}(?::\d{2})?(?: ?[AP]M)?$/i.test(text))
    return 'date'
  return /^[^@\s]+@[^@\s]+\.[^@\s]+$|^https?:\/\/|^[0-9a-f]{8}-[0-9a-f]{4}-/i.test(text) ? 'address' : 'text'
}

/** Whether a cell can be no name of a column: dates, addresses, numbers that are no year. */
export function isMisplacedName(cell: string): boolean {
  const kind = kindOf(cell)
  return kind === 'number'
    ? !/^(?:1[89]|20)\d{2}$/.test(cell.trim()) && !/^\d{1,3}$/.test(cell.trim())
    : kind !== 'text'
}
