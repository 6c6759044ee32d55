import { expect, test } from 'vitest'
import { formOfFormat } from './cell-date.ts'

test.each([
  ['yyyy-mm-dd', 'date'],
  ['dd.mm.yyyy;@', 'date'],
  ['[$-407]d. mmmm yyyy', 'date'],
  ['[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy', 'date'],
  ['mmm', 'date'],
  ['ggge"年"m"月"d"日"', 'date'],
  ['m/d/yy h:mm', 'datetime'],
  ['yyyy-mm-dd"T"hh:mm:ss.000', 'datetime'],
  ['h:mm AM/PM', 'time'],
  ['mm:ss.0', 'time'],
  ['[h]:mm:ss', 'duration'],
  ['[Red][mm]:ss', 'duration'],
  ['General', undefined],
  ['0.00', undefined],
  ['#,##0.00 "Stück pro day";[Red]-#,##0.00', undefined],
  ['0.00E+00', undefined],
  ['# ?/?', undefined],
  ['[$€-407] #,##0', undefined],
  ['0\\ \\d\\a\\y\\s', undefined],
  ['@', undefined],
  ['_-* #,##0_d_-', undefined],
])('the number format %s shows: %s', (code, form) => {
  expect(formOfFormat(code)).toBe(form)
})
