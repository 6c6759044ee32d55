/** Room for so many at once. */
export type Slots = {
  /** Waits for room. False: none came before the signal. */
  take(stop: AbortSignal): Promise<boolean>
  free(): void
}

export function createSlots(count: number): Slots {
  let left = count
  const waiting: ((hasRoom: boolean) => void)[] = []
  return {
    async take(stop) {
      if (stop.aborted) return false
      if (left > 0) {
        left -= 1
        return true
      }
      return await new Promise<boolean>((resolve) => {
        const leave = () => {
          waiting.splice(waiting.indexOf(enter), 1)
          resolve(false)
        }
        const enter = () => {
          stop.removeEventListener('abort', leave)
          resolve(true)
        }
        stop.addEventListener('abort', leave, { once: true })
        waiting.push(enter)
      })
    },
    free() {
      const next = waiting.shift()
      if (next === undefined) left += 1
      else next(true)
    },
  }
}
