/** The size of a company. Everything else follows from these numbers and the seed. */
type CompanySize = {
  /** Titles and users on the first day. */
  readonly titleCount: number
  readonly userCount: number
  /** Added on each day after the first. */
  readonly newTitleCount: number
  readonly newUserCount: number
  readonly viewingCountPerDay: number
}

/** The parameters that determine a company's data. */
export type CompanyKey = {
  readonly seed: number
  readonly size: CompanySize
  /** The date of day 0, `yyyy-mm-dd`; default 2026-03-01. All other dates are relative to it. */
  readonly firstDay?: string
}

/** Days of viewings before the end of the first day: 1 February to 1 March 2026 for a company that begins on 1 March. */
export const HISTORY_DAY_COUNT = 29

/** @param scale 1 is 2,000 titles, 5,000 users and about 200,000 viewings; fractions make small companies for tests */
export function companySize(scale: number): CompanySize {
  const scaled = (count: number, least: number) => Math.max(least, Math.round(count * scale))
  return {
    titleCount: scaled(2_000, 20),
    userCount: scaled(5_000, 20),
    newTitleCount: scaled(20, 1),
    newUserCount: scaled(50, 1),
    viewingCountPerDay: scaled(200_000 / HISTORY_DAY_COUNT, 20),
  }
}

/**
 * @param day 0 for the first day; negative days are history and have only the titles and users from before the first
 * day
 */
export function titleCountOn(size: CompanySize, day: number): number {
  return size.titleCount + Math.max(0, day) * size.newTitleCount
}

export function userCountOn(size: CompanySize, day: number): number {
  return size.userCount + Math.max(0, day) * size.newUserCount
}
