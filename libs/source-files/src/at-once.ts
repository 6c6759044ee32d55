import { Semaphore } from '@cinelake/core'

/** Files processed concurrently: enough to hide the latency of a disk or a network, few enough to keep their blocks in memory. */
const FILES_AT_ONCE = 16

/**
 * Processes many items with bounded concurrency.
 * @returns the results, in the order of the items
 * @throws the first error, after all calls under way have ended
 */
export async function atOnce<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
  width = FILES_AT_ONCE,
): Promise<Result[]> {
  const turns = new Semaphore(width)
  const failures: unknown[] = []
  const settled = await Promise.allSettled(
    items.map((item) =>
      turns.run(async () => {
        // After a failure no further item is started.
        if (failures.length > 0) throw failures[0]
        return await work(item).catch((error: unknown) => {
          failures.push(error)
          throw error
        })
      }),
    ),
  )
  if (failures.length > 0) throw failures[0]
  return settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
}
