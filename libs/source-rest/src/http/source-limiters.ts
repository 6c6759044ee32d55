import type { RestSource } from '../config/index.ts'
import { createLimiter, type Limiter, type LimiterDeps } from './limiter.ts'

/** One limiter for each source of each pipeline, whatever the number of datasets and runs that ask it at once. */
export function createSourceLimiters(deps: LimiterDeps): (pipeline: string, source: RestSource) => Limiter {
  const limiters = new Map<string, { readonly text: string; readonly limiter: Limiter }>()
  return (pipeline, source) => {
    const { name, limits, concurrency } = source
    const key = JSON.stringify([pipeline, name])
    const text = JSON.stringify([limits, concurrency])
    const known = limiters.get(key)
    if (known?.text === text) return known.limiter
    // A pipeline whose text changed starts anew: what was asked under other limits says nothing about these.
    const limiter = createLimiter(source, deps)
    limiters.set(key, { text, limiter })
    return limiter
  }
}
