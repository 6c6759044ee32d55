import { EMPTY_ROW } from '@cinelake/core'
import type { SupersededRows } from './row-keys.ts'

const COMMA = 0x2c
const LINE_FEED = 0x0a
const QUOTE = 0x22

/** The number of cells of rows, by the first row that has so many. */
export type Width = { readonly fromRow: number; readonly width: number }

/** Finds the ends of rows in blocks of bytes, counts rows, adds the commas of cells for later columns, and drops rows. */
export function createRowScanner(columnCount: number, widths: readonly Width[], superseded?: SupersededRows) {
  const isAnyLeftOut = superseded !== undefined && superseded.count > 0
  const leavesOut = (row: number) => isAnyLeftOut && superseded.has(row)
  let isQuoted = false
  let isLeftOut = leavesOut(0)
  let span = 0
  let rowCount = 0
  /** Position in the block at which the row begins; negative for a row that began in an earlier block. */
  let rowStart = 0

  const widthOf = (row: number) => {
    while ((widths[span + 1]?.fromRow ?? Infinity) <= row) span += 1
    return widths[span]?.width ?? columnCount
  }
  /** Whether no row from here on has to be extended or dropped. */
  const isAsItIs = () =>
    !isAnyLeftOut && columnCount > 1 && widthOf(rowCount) === columnCount && span >= widths.length - 1

  /** The cells that the row that ends here lacks, at its end. */
  const missingAt = (at: number): Buffer | undefined => {
    const width = widthOf(rowCount)
    if (width < columnCount) return Buffer.alloc(columnCount - width, COMMA)
    return columnCount <= 1 && at === rowStart ? Buffer.from(EMPTY_ROW) : undefined
  }
  const complete = (block: Buffer): Buffer => {
    const parts: Buffer[] = []
    let from = 0
    for (let at = 0; at < block.length; at += 1) {
      const byte = block[at]
      // A quote within quotes is doubled: the state leaves the quotes and returns.
      if (byte === QUOTE) isQuoted = !isQuoted
      if (byte !== LINE_FEED || isQuoted) continue
      const missing = isLeftOut ? undefined : missingAt(at)
      if (missing !== undefined) {
        parts.push(block.subarray(from, at), missing)
        from = at
      }
      rowCount += 1
      rowStart = at + 1
      const wasLeftOut = isLeftOut
      isLeftOut = leavesOut(rowCount)
      if (wasLeftOut === isLeftOut) continue
      if (!wasLeftOut) parts.push(block.subarray(from, at + 1))
      from = at + 1
    }
    rowStart -= block.length
    if (!isLeftOut && parts.length === 0 && from === 0) return block
    return Buffer.concat(isLeftOut ? parts : [...parts, block.subarray(from)])
  }
  return {
    /** Rows seen, including dropped ones. */
    get rowCount() {
      return rowCount
    },
    complete(block: Buffer): Buffer {
      if (isQuoted || !isAsItIs() || block.includes(QUOTE)) return complete(block)
      rowCount += lineFeedsIn(block)
      return block
    },
  }
}

function lineFeedsIn(block: Buffer): number {
  let count = 0
  for (let at = block.indexOf(LINE_FEED); at !== -1; at = block.indexOf(LINE_FEED, at + 1)) count += 1
  return count
}
