/** Runs the journey durably; run again with the same key it goes on where it was. */
import { run } from 'zagflow'
import { openStore } from 'zagflow/persistence'
import { journey } from './tasks.ts'

const [database = '', ledger = ''] = process.argv.slice(2)
const store = openStore(`sqlite:${database}`)
await store.start()
const outcome = await run(
  journey,
  { ledger },
  {
    store,
    key: 'journey',
    onEvent: ({ kind, name, state }) => kind === 'task' && console.log(`${name} ${state}`),
  },
)
console.log(outcome.state)
await store.stop()
