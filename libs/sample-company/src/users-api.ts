import fastify, { type FastifyInstance } from 'fastify'
import { dateOf } from './company-days.ts'
import { userCountOn, type CompanyKey } from './company-size.ts'
import { userOn } from './users.ts'

const LARGEST_PAGE = 1_000
const DEFAULT_PAGE = 100

type UsersApiOptions = {
  readonly company: CompanyKey
  /** The bearer token that clients have to send. */
  readonly token: string
  /** The day as of which users are shown. */
  readonly day: () => number
  /** Whether it is sometimes overloaded or unavailable, as real ones are. Default: true. */
  readonly refuses?: boolean
}

type Page = { readonly number: number; readonly size: number }

/**
 * The customer-relations system's REST API: `GET /v1/users?page=1&per_page=500`. Like real ones it needs a bearer
 * token, links each page to the next, overlaps pages by one user, is sometimes overloaded (429 with Retry-After) or
 * unavailable (503), and has a few invalid records.
 */
export function createUsersApi({ company, token, day, refuses = true }: UsersApiOptions): FastifyInstance {
  const app = fastify()
  const refusals = createRefusals()

  app.addHook('onRequest', async (request, reply) => {
    if (request.headers.authorization === `Bearer ${token}`) return
    await reply.code(401).header('www-authenticate', 'Bearer').send({ error: 'a bearer token is needed' })
  })

  app.get('/v1/users', async (request, reply) => {
    const page = readPage(request.query as Record<string, unknown>)
    if (page === undefined) {
      return reply.code(400).send({ error: `page is 1 or more, per_page 1 to ${LARGEST_PAGE}` })
    }
    const refusal = refuses ? refusals.next(page.number) : undefined
    if (refusal === 429) return reply.code(429).header('retry-after', '1').send({ error: 'too many requests' })
    if (refusal === 503) return reply.code(503).send({ error: 'try again' })
    return usersPage(company, day(), page)
  })
  return app
}

function usersPage(company: CompanyKey, day: number, { number, size }: Page) {
  const total = userCountOn(company.size, day)
  const pageCount = Math.max(1, Math.ceil(total / size))
  // The last user of the previous page is repeated, as when a user is added while the pages are read.
  const first = Math.max(0, (number - 1) * size - 1)
  const data = []
  for (let index = first; index < Math.min(total, number * size); index += 1) data.push(userRecord(company, index, day))
  return {
    data,
    meta: { as_of: dateOf(company, day), page: number, per_page: size, total },
    links: { next: number < pageCount ? `/v1/users?page=${number + 1}&per_page=${size}` : null },
  }
}

/** A user as the API returns it. A few have no e-mail address, an invalid one, or an impossible birth date. */
function userRecord(company: CompanyKey, index: number, day: number) {
  const user = userOn(company, index, day)
  return {
    id: user.id,
    full_name: user.fullName,
    email: index % 911 === 5 ? null : index % 977 === 9 ? user.email.replace('@', ' at ') : user.email,
    signed_up_at: user.signedUpAt,
    country: index % 701 === 8 ? 'N/A' : user.country,
    birth_date: index % 1_201 === 11 ? '0000-00-00' : index % 1_301 === 13 ? '1066-10-14' : user.birthDate,
    preferred_genres: user.preferredGenres,
    plan: user.plan.code,
    updated_at: user.updatedAt,
  }
}

/** Every eighth page fails once before it is returned, alternately for the two reasons. */
function createRefusals() {
  const refused = new Set<number>()
  return {
    next(page: number): 429 | 503 | undefined {
      const reason = page % 8 === 3 ? 429 : page % 8 === 6 ? 503 : undefined
      if (reason === undefined || refused.delete(page)) return undefined
      refused.add(page)
      return reason
    },
  }
}

function readPage(query: Readonly<Record<string, unknown>>): Page | undefined {
  const read = (name: string, otherwise: number) => (query[name] === undefined ? otherwise : Number(query[name]))
  const page = { number: read('page', 1), size: read('per_page', DEFAULT_PAGE) }
  const isPage = Number.isInteger(page.number) && page.number >= 1
  return isPage && Number.isInteger(page.size) && page.size >= 1 && page.size <= LARGEST_PAGE ? page : undefined
}
