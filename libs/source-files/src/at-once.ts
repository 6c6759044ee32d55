import { Semaphore } from '@cinelake/core'

/** Files worked on at once: enough to hide what a disk or a line takes for each, few enough to hold their blocks. */
const FILES_AT_ONCE = 16

/**
 * Works on many items, several at once.
 * @returns what came of each, in their order
 * @throws the first error; nothing is under way any more then
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
        // What has not begun when one fails is not begun.
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
