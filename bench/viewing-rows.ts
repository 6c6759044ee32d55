/** Rows. */
const BATCH = 2048
const DEVICES = ['tv', 'mobile', 'web', 'tablet']

/** The columns of such a row, for a warehouse. @param userId the type of a user's name */
export function viewingColumns(userId: string) {
  return [
    { name: 'viewing_id', type: 'BIGINT', required: true },
    { name: 'user_id', type: userId, required: true },
    { name: 'title', type: 'VARCHAR', required: true },
    { name: 'started_at', type: 'TIMESTAMP WITH TIME ZONE', required: true },
    { name: 'minutes', type: 'INTEGER', required: false },
    { name: 'score', type: 'DECIMAL(4,2)', required: false },
    { name: 'device', type: 'VARCHAR', required: false },
  ]
}

function rowOf(id: number) {
  return {
    viewing_id: id,
    user_id: `u${(id * 7919) % 50_000}`,
    title: `Title ${(id * 31) % 20_000}: "a story"`,
    started_at: new Date(Date.UTC(2026, 1, 1) + id * 1000).toISOString(),
    minutes: id % 50 === 0 ? null : id % 180,
    score: ((id % 1000) / 100).toFixed(2),
    device: DEVICES[id % 4] ?? null,
  }
}

export type ViewingRow = ReturnType<typeof rowOf>

/** Rows in batches as the engine gives them, made before the clock starts. */
export function viewingBatches(rowCount: number): ViewingRow[][] {
  return Array.from({ length: Math.ceil(rowCount / BATCH) }, (_, batch) =>
    Array.from({ length: Math.min(BATCH, rowCount - batch * BATCH) }, (_, index) => rowOf(batch * BATCH + index)),
  )
}
