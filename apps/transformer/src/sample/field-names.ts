import { plainName } from '@cinelake/csv'
import { isObject, type JsonValue } from '@cinelake/json-rows'

/** Levels of objects in objects whose fields become columns. */
export const MAX_DEPTH = 3
/** Most columns: objects whose names are values have any number. */
const MAX_COLUMNS = 500

/** The names of the fields of objects, by dots those within others, in the order in which they first occur. */
export async function fieldNames(batches: AsyncIterable<readonly (JsonValue | undefined)[]>): Promise<string[]> {
  const found: FoundFields = new Map()
  for await (const batch of batches) {
    for (const record of batch) if (record !== undefined && isObject(record)) collect(record, '', 1, found)
  }
  const isTaken = (name: string) => {
    const { objects = 0, others = 0 } = found.get(name) ?? {}
    return others > 0 || objects === 0
  }
  const names = [...found.keys()].filter((name) => isTaken(name) && !isWithinText(name, found))
  const plain = new Set<string>()
  return names.filter((name) => !plain.has(plainName(name)) && plain.add(plainName(name))).slice(0, MAX_COLUMNS)
}

type FoundFields = Map<string, { objects: number; others: number }>

/** Whether a field above is an object in some records and something else in others: it is one column of JSON. */
function isWithinText(name: string, found: FoundFields): boolean {
  const steps = name.split('.')
  return steps.some((_, index) => (found.get(steps.slice(0, index).join('.'))?.others ?? 0) > 0)
}

function collect(record: Readonly<Record<string, unknown>>, prefix: string, depth: number, found: FoundFields): void {
  for (const [field, value] of Object.entries(record)) {
    // Dots are between names: a name with a dot of its own cannot be told from them, nor one without letters.
    const isPath = depth < MAX_DEPTH && isObject(value as JsonValue) && Object.keys(value as object).length > 0
    const isNamed = field.trim() !== '' && !field.includes('.')
    if (!isNamed) continue
    const name = `${prefix}${field}`
    const counts = found.get(name) ?? { objects: 0, others: 0 }
    if (found.size < 10 * MAX_COLUMNS) found.set(name, counts)
    if (isPath) {
      counts.objects++
      collect(value as Record<string, unknown>, `${name}.`, depth + 1, found)
    } else if (value !== null && value !== undefined) counts.others++
  }
}
