export { storeCases, type StoreCase, type StoreCaseOptions } from './store/store-cases.ts'
export type { StoreFeature, StoreHarness, StoreSetup, StoreSubject, UserTransaction } from './store/harness.ts'
