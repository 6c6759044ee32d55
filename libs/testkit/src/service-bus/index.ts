export { startServiceBusBroker, type ServiceBusBroker, type ServiceBusBrokerOptions } from './broker.ts'
export type { EmulatorConfig } from './emulator-config.ts'
export type { Faults } from './faults.ts'
