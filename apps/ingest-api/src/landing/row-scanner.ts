import type { Width } from './csv-spool.ts'
import type { SupersededRows } from './row-keys.ts'

const COMMA = 0x2c
const LINE_FEED = 0x0a
const QUOTE = 0x22

/** Finds the ends of rows in blocks of bytes, counts them, puts in the commas of cells that came later, leaves rows out. */
export function createRowScanner(columnCount: number, widths: readonly Width[], superseded?: SupersededRows) {
  const leavesOut = (row: number) => superseded !== undefined && superseded.count > 0 && superseded.has(row)
  let isQuoted = false
  let isLeftOut = leavesOut(0)
  let span = 0
  let rowCount = 0

  const widthOf = (row: number) => {
    while ((widths[span + 1]?.fromRow ?? Infinity) <= row) span += 1
    return widths[span]?.width ?? columnCount
  }
  return {
    /** Rows that were seen, those that are left out among them. */
    get rowCount() {
      return rowCount
    },
    complete(block: Buffer): Buffer {
      const parts: Buffer[] = []
      let from = 0
      for (let at = 0; at < block.length; at += 1) {
        const byte = block[at]
        // A quote within quotes is doubled: it leaves and comes back.
        if (byte === QUOTE) isQuoted = !isQuoted
        if (byte !== LINE_FEED || isQuoted) continue
        const width = widthOf(rowCount)
        if (!isLeftOut && width !== columnCount) {
          parts.push(block.subarray(from, at), Buffer.alloc(columnCount - width, COMMA))
          from = at
        }
        rowCount += 1
        const wasLeftOut = isLeftOut
        isLeftOut = leavesOut(rowCount)
        if (wasLeftOut === isLeftOut) continue
        if (!wasLeftOut) parts.push(block.subarray(from, at + 1))
        from = at + 1
      }
      if (!isLeftOut && parts.length === 0 && from === 0) return block
      return Buffer.concat(isLeftOut ? parts : [...parts, block.subarray(from)])
    },
  }
}
