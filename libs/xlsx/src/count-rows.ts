import { openPromise } from 'yauzl'

const SHEET = /^xl\/worksheets\/[^/]+\.xml$/
const ROW = '<row '

/**
 * The rows of all sheets of a workbook, their headers included, as another program finds them: read from the archive, a
 * piece at a time.
 * @throws {Error} the file is no archive, or ends early
 */
export async function countXlsxRows(file: string): Promise<number> {
  const archive = await openPromise(file)
  let count = 0
  try {
    for await (const entry of archive.eachEntry()) {
      if (!SHEET.test(entry.fileName)) continue
      let rest = ''
      for await (const piece of await archive.openReadStreamPromise(entry)) {
        const text = rest + (piece as Buffer).toString('latin1')
        count += text.split(ROW).length - 1
        // A tag may be in two pieces. One that is whole in the rest would be counted again.
        rest = text.slice(-(ROW.length - 1))
      }
    }
  } finally {
    archive.close()
  }
  return count
}
