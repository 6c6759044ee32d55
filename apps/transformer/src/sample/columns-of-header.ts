import { plainName } from '@cinelake/csv'
import type { SampledColumn } from './file-sample.ts'

/** The fields of a file as columns: by name, or by their place where a name is missing or there twice. */
export function columnsOf(names: readonly string[]): SampledColumn[] {
  const plain = names.map(plainName)
  return names.map((name, index) => {
    const isPlain = name.trim() !== '' && !/\p{C}/u.test(name) && name.length <= 200 && /[\p{L}\p{N}]/u.test(name)
    const isAlone = plain.indexOf(plain[index] ?? '') === plain.lastIndexOf(plain[index] ?? '')
    return { name, ...(isPlain && isAlone ? {} : { position: index + 1 }) }
  })
}
