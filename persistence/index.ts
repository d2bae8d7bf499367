export { MemoryStore, type MemoryStoreOptions } from './memory.ts'
export { openStore, type StoreOptions } from './open.ts'
export * from './schedule-store.ts'
export * from './store.ts'
