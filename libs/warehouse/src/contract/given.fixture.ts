import type { Warehouse, WarehouseRow, WarehouseRows, WarehouseTable } from '../warehouse.ts'

/** Opens an empty warehouse of its own for a test. */
export type OpenWarehouse = () => Promise<{ readonly warehouse: Warehouse } & AsyncDisposable>

export const titles: WarehouseTable = {
  name: 'titles',
  description: "What the company shows: films and series ('titles').",
  columns: [
    { name: 'title_id', type: 'BIGINT', required: true, description: 'The key.' },
    { name: 'Name of it', type: 'VARCHAR(40)', required: true },
    { name: 'score', type: 'DECIMAL(3,1)', required: false, description: 'From 0 to 10.' },
    { name: 'genres', type: 'VARCHAR[]', required: false },
    { name: 'added_at', type: 'TIMESTAMP WITH TIME ZONE', required: false },
  ],
  primaryKey: ['title_id'],
}

export const title = (id: number, rest: Partial<WarehouseRow> = {}): WarehouseRow => ({
  title_id: id,
  'Name of it': `Title ${id}`,
  score: '7.5',
  genres: ['drama'],
  added_at: '2026-03-01T05:00:00Z',
  ...rest,
})

export const manyTitles = (count: number, from = 1) => Array.from({ length: count }, (_, index) => title(from + index))

/** In two batches, so that the border between them is tried as well. */
export async function* batches(rows: readonly WarehouseRow[]): WarehouseRows {
  const half = Math.ceil(rows.length / 2)
  yield rows.slice(0, half)
  yield rows.slice(half)
}

export const read = async (warehouse: Warehouse) =>
  (await warehouse.query('SELECT * FROM titles ORDER BY title_id')).rows
