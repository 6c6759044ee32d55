import type { RestPagination } from '../config/index.ts'

/**
 * Where one stands between the pages of a dataset: all that the request for the next page depends on. It is JSON, so that
 * it can be kept and gone on from. Secrets of the pipeline are not in it; what the server gave as the way on is.
 */
export type PagePosition = {
  /** Of the page to ask for, from 1. */
  readonly number: number
  /** Of all pages before. */
  readonly recordCount: number
  /** Cursor for the page. */
  readonly cursor?: string | number | undefined
  /** Address of the page, with the names of secrets in their places. */
  readonly link?: string | undefined
  /** What `auto` recognised in the first answer. */
  readonly recognised?: RestPagination | undefined
}

export const FIRST_PAGE: PagePosition = { number: 1, recordCount: 0 }
