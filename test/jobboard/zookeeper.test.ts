/** The board on ZooKeeper under the suite of every board, each board behind a proxy, so that it can be cut off. */
import { ZooKeeperBoard } from '../../jobboard/zookeeper.ts'
import { eventually } from '../support/eventually.ts'
import { tcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { describeJobBoard } from './board-contract.ts'
import { boardSite, postingOf } from './zookeeper/boards.ts'

// Long enough for a machine that others use as well.
const sessionTimeoutMs = 6000

describeJobBoard('zookeeper board', async (t) => {
  const site = await boardSite(t, { sessionTimeoutMs })
  const server = site?.hosts[0]
  if (site === null || server === undefined) return null
  const proxies = new Map<unknown, TcpProxy>()
  return {
    make: () => site.make(),
    async connect() {
      const proxy = await tcpProxy(t, server)
      const board = await site.connect({ servers: [{ host: '127.0.0.1', port: proxy.port }] })
      proxies.set(board, proxy)
      return board
    },
    async post(board, { priority = 0 } = {}) {
      const posting = postingOf({ priority })
      await board.post(posting)
      return posting
    },
    async announce() {},
    async end() {},
    async die(_conductor, board) {
      if (!(board instanceof ZooKeeperBoard)) throw new Error('expected a board of this site')
      const proxy = proxies.get(board)
      const observer = await site.client()
      const { session } = await board.status()
      proxy?.cut()
      await eventually(
        async () => {
          const { names } = await observer.children(site.paths.claims)
          const stats = await Promise.all(
            names.map((name) => observer.exists(`${site.paths.claims}/${name}`)),
          )
          return stats.every((stat) => stat?.ephemeralOwner !== session.id)
        },
        { withinMs: 60_000 },
      )
      proxy?.mend()
      await eventually(async () => (await board.status()).session.id !== session.id, {
        withinMs: 30_000,
      })
    },
  }
})
