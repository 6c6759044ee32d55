import { describe } from 'vitest'
import { changesContract } from './contract/changes-contract.ts'
import { failureContract } from './contract/failures-contract.ts'
import type { OpenWarehouse } from './contract/given.fixture.ts'
import { loadingContract } from './contract/loading-contract.ts'
import { queryContract } from './contract/queries-contract.ts'
import { schemasContract } from './contract/schemas-contract.ts'

/** What every adapter of the warehouse does alike. */
export function warehouseContract(name: string, open: OpenWarehouse): void {
  describe(`warehouse contract: ${name}`, () => {
    loadingContract(open)
    changesContract(open)
    failureContract(open)
    queryContract(open)
    schemasContract(open)
  })
}
