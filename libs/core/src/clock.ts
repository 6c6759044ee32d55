/** The only source of the current time. Passed in, so that a window can be rebuilt at any time with the same result. */
export type Clock = () => Date

export const systemClock: Clock = () => new Date()
