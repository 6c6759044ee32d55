import type { RestPagination } from '../config/index.ts'

/**
 * A position between the pages of a dataset: everything that the request for the next page depends on. It is JSON, so that
 * it can be stored and resumed. It contains no secrets of the pipeline, but the server's cursors and links.
 */
export type PagePosition = {
  /** Number of the page to request, from 1. */
  readonly number: number
  /** Records of all previous pages. */
  readonly recordCount: number
  /** Cursor for the page. */
  readonly cursor?: string | number | undefined
  /** Address of the page, with secrets replaced by their names. */
  readonly link?: string | undefined
  /** The pagination that `auto` detected in the first response. */
  readonly recognised?: RestPagination | undefined
}

export const FIRST_PAGE: PagePosition = { number: 1, recordCount: 0 }
