/** Waits for a promise with a timeout in milliseconds. @returns undefined on timeout */
export async function waitAtMost<T>(milliseconds: number, coming: Promise<T>): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => late.resolve(undefined), milliseconds)
  try {
    return await Promise.race([coming, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
