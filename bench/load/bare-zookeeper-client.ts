/** A process that does bare cycles of create, claim and delete when it is told to. */
import { bareClient, cycle } from './bare-zookeeper.ts'

const [host = '', port = '', root = ''] = process.argv.slice(2)
const client = await bareClient(host, Number(port))
process.on('message', (order: { readonly count: number; readonly atOnce: number }) => {
  let left = order.count
  const line = async (): Promise<void> => {
    while (left-- > 0) await cycle(client, root)
  }
  void Promise.all(Array.from({ length: order.atOnce }, line)).then(() => process.send?.('done'))
})
process.on('disconnect', () => process.exit(1))
process.send?.('ready')
