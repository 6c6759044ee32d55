import type { ErrorReport } from '@cinelake/core'

/** The messages between `startSampleCompany` and its worker thread. Each request gets one reply. */
export type CompanyRequest =
  | { readonly id: number; readonly kind: 'open' }
  | { readonly id: number; readonly kind: 'advance'; readonly day: number }
  | { readonly id: number; readonly kind: 'close' }

export type CompanyPlaces = {
  /** The date of day 0. */
  readonly firstDay: string
  readonly cataloguePath: string
  readonly apiUrl: string
  readonly billingHost: string
}

export type CompanyReply =
  | ({ readonly id: number; readonly ok: true } & CompanyPlaces)
  | { readonly id: number; readonly ok: false; readonly error: ErrorReport }
