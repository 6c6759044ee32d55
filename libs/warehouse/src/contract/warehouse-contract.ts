import { describe } from 'vitest'
import { changesContract } from './changes-contract.ts'
import { failureContract } from './failures-contract.ts'
import type { OpenWarehouse } from './given.fixture.ts'
import { loadingContract } from './loading-contract.ts'
import { queryContract } from './queries-contract.ts'
import { schemasContract } from './schemas-contract.ts'

/** The contract test suite of every warehouse adapter. */
export function warehouseContract(name: string, open: OpenWarehouse): void {
  describe(`warehouse contract: ${name}`, () => {
    loadingContract(open)
    changesContract(open)
    failureContract(open)
    queryContract(open)
    schemasContract(open)
  })
}
