import type { RestDataset } from '../config/index.ts'
import type { Fill } from '@cinelake/secrets'
import { withValueAt } from '../bodies/json-path.ts'
import { isExactNumber, isObject, type JsonValue } from '@cinelake/json-rows'
import type { PageParts } from '../pagination/pagination.ts'
import type { RequestBody } from './page-request.ts'
import { fillTimes, isTimeNumber, type RequestTimes } from './window-text.ts'

/** The body of a dataset's POSTs. */
export type DatasetBody = {
  readonly write: (parts: Pick<PageParts, 'body'>) => RequestBody
  /** Refreshes the secrets. False if there are none, so that nothing would change. */
  readonly refresh: () => Promise<boolean>
}

/** Fills a body's template; undefined if the dataset's requests have none. */
export async function bodyOf(
  { body, bodyFormat, method }: Pick<RestDataset, 'body' | 'bodyFormat' | 'method'>,
  times: RequestTimes,
  fill: Fill,
): Promise<DatasetBody | undefined> {
  if (method !== 'POST') return undefined
  const look = async (refresh: boolean) => (await filled(body ?? {}, times, fill, refresh)) ?? {}
  let latest = await look(false)
  return {
    write(parts) {
      const value = parts.body.reduce<JsonValue>((whole, [path, part]) => withValueAt(whole, path, part), latest)
      return bodyFormat === 'form' ? formBody(value) : { contentType: 'application/json', text: JSON.stringify(value) }
    },
    async refresh() {
      if (!JSON.stringify(body ?? {}).includes('${secret:')) return false
      latest = await look(true)
      return true
    },
  }
}

/** Undefined if a text contains `{since}` and there is no value for it yet: the field is omitted. */
async function filled(
  template: JsonValue,
  times: RequestTimes,
  fill: Fill,
  refresh: boolean,
): Promise<JsonValue | undefined> {
  if (typeof template === 'string') {
    const text = fillTimes(template, times)
    if (text === undefined) return undefined
    return isTimeNumber(template) ? Number(text) : await fill(text, { refresh })
  }
  if (Array.isArray(template)) {
    const items = await Promise.all(template.map((item: JsonValue) => filled(item, times, fill, refresh)))
    return items.filter((item) => item !== undefined)
  }
  if (!isObject(template)) return template
  const fields: [string, JsonValue][] = []
  for (const [name, value] of Object.entries(template)) {
    const field = await filled(value, times, fill, refresh)
    if (field !== undefined) fields.push([name, field])
  }
  return Object.fromEntries(fields)
}

function formBody(value: JsonValue): RequestBody {
  const form = new URLSearchParams()
  for (const [name, field] of Object.entries(isObject(value) ? value : {})) form.append(name, fieldText(field))
  return { contentType: 'application/x-www-form-urlencoded', text: form.toString() }
}

function fieldText(field: JsonValue): string {
  if (field === null) return ''
  if (typeof field !== 'object') return String(field)
  return isExactNumber(field) ? field.rawJSON : JSON.stringify(field)
}
