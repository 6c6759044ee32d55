import { expect, test } from 'vitest'
import { windowOfName } from './preview.ts'

test.each([
  ['orders_{yyyy}-{MM}-{dd}.csv', 'orders_2026-03-02.csv', 'day', '2026-03-02'],
  ['{yyyy}/{MM}/{dd}/*.csv', '2026/03/02/a.csv', 'day', '2026-03-02'],
  ['{yyyy}/{MM}/x_{yyyy}{MM}{dd}.csv', '2026/03/x_20260302.csv', 'day', '2026-03-02'],
  ['x{yyyy}{MM}{dd}{HH}.csv', 'x2026030205.csv', 'day', '2026-03-02'],
  ['x{yyyy}{MM}{dd}{HH}.csv', 'x2026030205.csv', 'hour', '2026-03-02T05+01:00'],
  ['x_{yyyy}-{MM}.csv', 'x_2026-03.csv', 'month', '2026-03'],
  ['x_{yyyy}-{MM}.csv', 'x_2026-03.csv', 'day', '2026-03-01'],
  ['{yyyy}.csv', '2026.csv', 'month', '2026-01'],
  ['a[1].{yyyy}(+){MM}.csv', 'a1.2026(+)03.csv', 'month', '2026-03'],
  ['orders.csv', 'orders.csv', 'day', undefined],
  ['{yyyy}{MM}{dd}.csv', '20260231.csv', 'day', undefined],
] as const)('a file like %s, called %s, is of the %s %s', (files, name, every, window) => {
  expect(windowOfName(files, name, { every, timeZone: 'Europe/Berlin' })).toBe(window)
})
