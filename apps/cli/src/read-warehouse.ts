import { WarehouseUnavailableError, type Warehouse } from '@cinelake/warehouse'
import { openExistingWarehouse } from './open-parts.ts'
import type { PlatformConfig } from './settings.ts'

/**
 * Opens the mart for a read-only command. The process that owns it may end meanwhile: then it is opened again, once.
 * @param mayRepeat whether the work can be repeated without loss or duplication
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
