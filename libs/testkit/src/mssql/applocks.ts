/** Application locks, as `sp_getapplock` gives them: by name, to one session, which may take them again. */
export class ApplicationLocks {
  readonly #held = new Map<string, { readonly session: object; readonly owner: string; count: number }>()
  #waiting: (() => void)[] = []

  /** @returns what the procedure returns: 0 at once, 1 after a wait, -1 after too long a one */
  async take(name: string, session: object, owner: string, timeoutMs: number): Promise<number> {
    const end = Date.now() + timeoutMs
    for (let waited = 0; ; waited = 1) {
      const holder = this.#held.get(name)
      if (holder === undefined || holder.session === session) {
        this.#held.set(name, { session, owner, count: (holder?.count ?? 0) + 1 })
        return waited
      }
      const left = timeoutMs < 0 ? undefined : end - Date.now()
      if (left !== undefined && left <= 0) return -1
      await this.#change(left)
    }
  }

  release(name: string, session: object): void {
    const holder = this.#held.get(name)
    if (holder?.session !== session) return
    holder.count -= 1
    if (holder.count === 0) this.#held.delete(name)
    this.#wake()
  }

  /** All of a session, or only those that its transaction owns. */
  releaseAll(session: object, owner?: string): void {
    for (const [name, holder] of this.#held) {
      if (holder.session === session && (owner === undefined || holder.owner === owner)) this.#held.delete(name)
    }
    this.#wake()
  }

  async #change(timeoutMs: number | undefined): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve)
      if (timeoutMs !== undefined) setTimeout(resolve, timeoutMs).unref()
    })
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}
