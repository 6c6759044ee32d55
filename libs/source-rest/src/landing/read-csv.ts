/**
 * Parses CSV as written by this service, row by row, the header first: `"` only where needed, `\n` after each row. An
 * empty cell is null, `""` is an empty text.
 */
export async function* readCsv(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<(string | null)[]> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  const rows = createRowReader()
  for await (const block of bytes) yield* rows.read(decoder.decode(block, { stream: true }))
  yield* rows.read(decoder.decode())
  yield* rows.end()
}

function createRowReader() {
  /** The incomplete row at the end of the buffer. */
  let rest = ''
  return {
    *read(text: string): Generator<(string | null)[]> {
      rest += text
      let from = 0
      for (let end = rowEnd(rest, 0); end !== -1; end = rowEnd(rest, from)) {
        yield cellsOf(rest.slice(from, end))
        from = end + 1
      }
      rest = rest.slice(from)
    },
    *end(): Generator<(string | null)[]> {
      if (rest !== '') yield cellsOf(rest)
    },
  }
}

/** The line feed that ends a row: the next one outside quotes; -1 if the row is incomplete. */
function rowEnd(text: string, from: number): number {
  let quote = text.indexOf('"', from)
  for (let end = text.indexOf('\n', from); end !== -1; end = text.indexOf('\n', end + 1)) {
    while (quote !== -1 && quote < end) {
      const closing = text.indexOf('"', quote + 1)
      if (closing === -1) return -1
      if (closing > end) end = text.indexOf('\n', closing)
      if (end === -1) return -1
      quote = text.indexOf('"', closing + 1)
    }
    return end
  }
  return -1
}

function cellsOf(row: string): (string | null)[] {
  const cells: (string | null)[] = []
  for (let at = 0; at <= row.length;) {
    if (row[at] !== '"') {
      const comma = row.indexOf(',', at)
      const end = comma === -1 ? row.length : comma
      cells.push(end === at ? null : row.slice(at, end))
      at = end + 1
      continue
    }
    let end = row.indexOf('"', at + 1)
    while (end !== -1 && row[end + 1] === '"') end = row.indexOf('"', end + 2)
    const close = end === -1 ? row.length : end
    cells.push(row.slice(at + 1, close).replaceAll('""', '"'))
    at = close + 2
  }
  return cells
}
