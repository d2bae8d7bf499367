import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UsageError } from '../../../src/base/errors.ts'
import { isBoardUrl, readBoardUrl, readServers, shownUrl } from '../../../jobboard/zookeeper/url.ts'

test('a URL says hosts, chroot, board, session, credentials and TLS; what it leaves out has defaults', () => {
  assert.deepEqual(
    readBoardUrl('zookeeper://us%40er:p%3Aw@h1:2182,h2,10.0.0.3/zag/flow?board=night&session=4s'),
    {
      hosts: [
        { host: 'h1', port: 2182 },
        { host: 'h2', port: 2181 },
        { host: '10.0.0.3', port: 2181 },
      ],
      chroot: '/zag/flow',
      board: 'night',
      sessionTimeoutMs: 4000,
      user: 'us@er',
      password: 'p:w',
      tls: false,
    },
  )
  assert.deepEqual(readBoardUrl('zookeeper+tls://h/'), {
    hosts: [{ host: 'h', port: 2181 }],
    chroot: '',
    board: 'main',
    sessionTimeoutMs: undefined,
    user: undefined,
    password: undefined,
    tls: true,
  })
})

const wrong: readonly (readonly [url: string, says: RegExp])[] = [
  ['redis://h/x', /expected zookeeper:\/\//],
  ['zookeeper:h', /expected zookeeper:\/\//],
  ['zookeeper+ssl://h', /expected zookeeper:\/\//],
  ['zookeeper:///zagflow', /at least one host/],
  ['zookeeper://h1,,h2/x', /expected a host, got ""/],
  ['zookeeper://h1:0/x', /port of h1: expected 1 to 65535, got "0"/],
  ['zookeeper://h1:70000/x', /port of h1/],
  ['zookeeper://h1:/x', /port of h1.*got ""/],
  ['zookeeper://h1:x/x', /port of h1.*got "x"/],
  ['zookeeper://h 1/x', /not the name of a host/],
  ['zookeeper://[::1]:2181/x', /IPv6/],
  ['zookeeper://fe80::1/x', /IPv6/],
  ['zookeeper://h//x', /chroot/],
  ['zookeeper://h/a/../b', /chroot.*".."/],
  ['zookeeper://h/%00', /chroot/],
  ['zookeeper://h/zookeeper', /belongs to the servers/],
  ['zookeeper://h/x?bord=main', /"bord" is not known.*board/],
  ['zookeeper://h/x?board=a&board=b', /twice/],
  ['zookeeper://h/x?board=', /board: expected a name/],
  ['zookeeper://h/x?board=%', /percent-encoding/],
  ['zookeeper://h/x?session=10', /session: a duration needs a unit/],
  ['zookeeper://h/x?session=10ms', /session: expected 1s to 10m, got "10ms"/],
  ['zookeeper://h/x#y', /behind "#"/],
  ['zookeeper://secretuser@h/x', /a password for the user "secretuser"/],
  ['zookeeper://:secret@h/x', /expected a user/],
  ['zookeeper://u%3Ax:secret@h/x', /no ":"/],
  ['zookeeper://u:%@h/x', /percent-encoding/],
]

for (const [url, says] of wrong) {
  test(`${url} is refused, with the part that is wrong and without its password`, () => {
    assert.throws(
      () => readBoardUrl(url),
      (error) => {
        assert.ok(error instanceof UsageError)
        assert.match(error.message, says)
        assert.doesNotMatch(error.message, /:secret/)
        return true
      },
    )
  })
}

test('servers may be given as text alone', () => {
  assert.deepEqual(readServers('a,b:1'), [
    { host: 'a', port: 2181 },
    { host: 'b', port: 1 },
  ])
  assert.throws(() => readServers('a b'), /servers "a b": "a b" is not the name of a host/)
})

test('a URL is shown without its password, and known by its scheme even where it is wrong', () => {
  assert.equal(shownUrl('zookeeper://u:p@ss@h/x?y'), 'zookeeper://u@h/x?y')
  assert.ok(isBoardUrl('zookeeper:h'))
  assert.ok(isBoardUrl('zk://h'))
  assert.ok(!isBoardUrl('main'))
})
