/** Waits for something, and no longer than so many milliseconds. @returns undefined: it has not come by then */
export async function waitAtMost<T>(milliseconds: number, coming: Promise<T>): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => late.resolve(undefined), milliseconds)
  try {
    return await Promise.race([coming, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
