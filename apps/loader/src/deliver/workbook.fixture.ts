import { openPromise } from 'yauzl'

export type Cell = { readonly type: string; readonly style: string; readonly text: string }

/** The cells of the first sheet of a workbook, row by row, by the letters of their columns. */
export async function readWorkbook(file: string): Promise<Record<string, Cell>[]> {
  const archive = await openPromise(file)
  let xml = ''
  for await (const entry of archive.eachEntry()) {
    if (entry.fileName !== 'xl/worksheets/sheet1.xml') continue
    for await (const piece of await archive.openReadStreamPromise(entry)) xml += (piece as Buffer).toString('utf8')
  }
  archive.close()
  const rows = xml.match(/<row [^>]*>.*?<\/row>/gs) ?? []
  return rows.map((row) =>
    Object.fromEntries(
      [...row.matchAll(/<c r="([A-Z]+)\d+"(?: s="(\d)")?(?: t="(\w+)")?>(?:<v>|<is><t[^>]*>)(.*?)</gs)].map(
        ([, column = '', style = '', type = 'n', text = '']) => [column, { type, style, text: unescaped(text) }],
      ),
    ),
  )
}

/** As XML and then ECMA-376 (ST_Xstring) say. */
function unescaped(text: string): string {
  return text
    .replaceAll(/&(?:#(\d+)|(\w+));/g, (_, code: string | undefined, name: string) =>
      code === undefined ? ({ amp: '&', lt: '<', gt: '>' }[name] ?? '?') : String.fromCharCode(Number(code)),
    )
    .replaceAll(/_x([0-9A-F]{4})_/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}
