import { WarehouseUnavailableError, type Warehouse } from '@cinelake/warehouse'
import { openExistingWarehouse } from './open-parts.ts'
import type { PlatformConfig } from './settings.ts'

/**
 * Opens the mart for a command that looks into it. The process beside which it is read may end in the middle: then it is opened
 * again, once.
 * @param mayRepeat whether nothing of the work is lost or done twice
 */
export async function readWarehouse<Result>(
  config: Pick<PlatformConfig, 'warehouse'>,
  work: (warehouse: Warehouse) => Promise<Result>,
  mayRepeat: () => boolean = () => true,
): Promise<Result> {
  try {
    return await once(config, work)
  } catch (error) {
    if (!(error instanceof WarehouseUnavailableError) || !mayRepeat()) throw error
    return await once(config, work)
  }
}

async function once<Result>(
  config: Pick<PlatformConfig, 'warehouse'>,
  work: (warehouse: Warehouse) => Promise<Result>,
): Promise<Result> {
  await using warehouse = await openExistingWarehouse(config)
  return await work(warehouse)
}
