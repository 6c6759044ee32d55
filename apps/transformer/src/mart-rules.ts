import type { CheckedPipeline } from '@cinelake/pipeline'
import { type LimitRule, type WarehouseLimits, limitRules } from '@cinelake/warehouse'

/**
 * The rules by which rows of a served table are rejected that the warehouse cannot hold.
 * @param columns of the rows: a table of history gets more, which are the platform's own
 */
export function martRules(
  limits: WarehouseLimits | undefined,
  { serve }: Pick<CheckedPipeline, 'serve'>,
  table: string,
  columns: readonly { readonly name: string }[],
): LimitRule[] {
  const served = serve.find((each) => each.table === table)
  return served === undefined || limits === undefined
    ? []
    : limitRules(limits, {
        columns: served.columns.filter(({ name }) => columns.some((own) => own.name === name)),
        primaryKey: served.primaryKey,
      })
}
