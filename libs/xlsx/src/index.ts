export { countXlsxRows } from './count-rows.ts'
export { CELL_CHARACTERS, SHEET_ROWS, XlsxWriter, type XlsxCell } from './writer.ts'
