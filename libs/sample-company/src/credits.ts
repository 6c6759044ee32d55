import type { CompanyKey } from './company-size.ts'
import { randomOf } from './random.ts'
import { titleId } from './titles.ts'
import { GIVEN_NAMES, SURNAME_ENDS, SURNAME_STARTS, TITLE_ADJECTIVES, TITLE_NOUNS } from './words.ts'

const PERSON_COUNT = GIVEN_NAMES.length * SURNAME_STARTS.length * SURNAME_ENDS.length

/** Who made a title: one director and a few actors, as `[person id, title id, name, character, role]`. */
export function* creditsOf(company: CompanyKey, index: number): Generator<readonly string[]> {
  const random = randomOf(company.seed, 'credits', index)
  const cast = new Set<number>()
  const size = 3 + random.int(4)
  while (cast.size < size) cast.add(random.int(PERSON_COUNT))
  for (const [place, person] of [...cast].entries()) {
    const character = `${random.pick(TITLE_ADJECTIVES)} "${random.pick(TITLE_NOUNS)}"`
    const isDirector = place === 0
    const row = [`nm${String(person).padStart(6, '0')}`, titleId(index), personName(person)]
    yield [...row, isDirector ? '' : character, isDirector ? 'DIRECTOR' : 'ACTOR']
  }
}

function personName(person: number): string {
  const given = GIVEN_NAMES[person % GIVEN_NAMES.length] ?? ''
  const rest = Math.floor(person / GIVEN_NAMES.length)
  const start = SURNAME_STARTS[rest % SURNAME_STARTS.length] ?? ''
  const end = SURNAME_ENDS[Math.floor(rest / SURNAME_STARTS.length)] ?? ''
  return `${given} ${start}${end}`
}
