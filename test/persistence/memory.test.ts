import { MemoryStore } from '../../persistence/memory.ts'
import { describeStore } from './store-contract.ts'

describeStore('in memory', async () => {
  const store = new MemoryStore()
  await store.start()
  return { store, another: async () => store }
})
