/** Requests to the thread of the embedded database. One at a time. */
export type EmbeddedRequest = { readonly id: number } & EmbeddedCall

export type EmbeddedCall =
  | {
      readonly kind: 'query'
      readonly sql: string
      readonly values: readonly unknown[]
      readonly rowMode: 'array' | 'object'
      /** Times as text, as the port of queries describes values; else as JavaScript dates. */
      readonly timesAsText: boolean
      /** What `COPY … FROM '/dev/blob'` reads. */
      readonly copyText: string | undefined
    }
  | { readonly kind: 'exec'; readonly sql: string }
  /** Messages of the PostgreSQL protocol as they are. */
  | { readonly kind: 'raw'; readonly bytes: Uint8Array }
  | { readonly kind: 'describe'; readonly sql: string }
  | { readonly kind: 'close' }

export type EmbeddedResult<Row = unknown> = {
  readonly rows: Row[]
  readonly fields: { name: string; dataTypeID: number }[]
  readonly affectedRows?: number
}

export type EmbeddedReply =
  /** The database is open. */
  | { readonly id: 0; readonly ok: true; readonly value: undefined }
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | {
      readonly id: number
      readonly ok: false
      readonly message: string
      readonly fields: Readonly<Record<string, string>>
    }

export type EmbeddedOpening = { readonly directory: string | undefined }
