import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  bucketName,
  claimData,
  encodeName,
  decodeName,
  jobData,
  jobName,
  keyOf,
  pathsOf,
  readBucketName,
  readClaimData,
  readJobData,
  readJobName,
  readKey,
  withEpoch,
} from '../../../jobboard/zookeeper/names.ts'

const jobId = '01a1fd7f-7dbb-76a9-914e-8abcf5c4cc7a'

test('names of job nodes sort by age, then by id, and read back as they were', () => {
  const postings = [
    { jobId: 'b', posting: 1, createdAt: 0 },
    { jobId, posting: 3, createdAt: 35 },
    { jobId, posting: 1, createdAt: 36 },
    { jobId: 'a/b.c é%', posting: 12, createdAt: Date.UTC(2026, 10, 21) },
    { jobId, posting: 1, createdAt: Date.UTC(2100, 0, 1) },
  ]
  const names = postings.map(jobName)
  assert.deepEqual([...names].reverse().sort(), names)
  for (const [at, posting] of postings.entries()) {
    const name = names[at] ?? ''
    assert.deepEqual(readJobName(name), { ...posting, key: keyOf(posting) })
    assert.match(name, /^[\w%.-]+$/)
    assert.deepEqual(readKey(keyOf(posting)), { jobId: posting.jobId, posting: posting.posting })
  }
})

test('a time without end is clamped, a fraction of a millisecond is dropped', () => {
  assert.equal(jobName({ jobId: 'a', posting: 1, createdAt: 1e300 }), 'zzzzzzzzz-a.1')
  assert.equal(jobName({ jobId: 'a', posting: 1, createdAt: 1.9 }), '000000001-a.1')
})

test('what is no name of a node is not read as one', () => {
  const wrong = ['', 'a.1', '00000000A-a.1', '000000000-a', '000000000-.1', '000000000-a.0']
  for (const name of [...wrong, '000000000-a.01', '000000000-%zz.1', '000000000-a/b.1']) {
    assert.equal(readJobName(name), null, name)
  }
  for (const name of ['', '-', '-0', '01', '1e3', '0x1', ' 1', '1.0', '9007199254740993', 'x']) {
    assert.equal(readBucketName(name), null, name)
  }
  for (const priority of [0, -0, -5, 10, Number.MAX_SAFE_INTEGER]) {
    assert.equal(readBucketName(bucketName(priority)), priority + 0)
  }
  for (const priority of [1.5, NaN, Infinity, 2 ** 53]) {
    assert.throws(() => bucketName(priority), { name: 'UsageError' })
  }
})

test('any text can be part of a path', () => {
  for (const text of ['main', 'a/b', '.', '..', 'é:%', '\u0000', ' ']) {
    const name = encodeName(text)
    assert.match(name, /^[^/\u0000-\u001f]+$/)
    assert.ok(name !== '.' && name !== '..')
    assert.equal(decodeName(name), text)
  }
  assert.throws(() => encodeName('\ud800'), { name: 'UsageError' })
  assert.equal(pathsOf('a/b').jobs, '/boards/a%2Fb/jobs')
})

test('contents read back; those of a newer version are told from malformed ones', () => {
  const data = jobData({ epoch: 3, createdAt: 17 })
  assert.ok(data.length < 1000)
  assert.deepEqual(readJobData(data), { kind: 'read', value: { v: 1, epoch: 3, at: 17 } })
  const more = withEpoch({ v: 1, epoch: 3, at: 17, colour: 'red' }, 4)
  assert.deepEqual(readJobData(more), {
    kind: 'read',
    value: { v: 1, epoch: 4, at: 17, colour: 'red' },
  })
  assert.deepEqual(readJobData(Buffer.from('{"v":2}')), { kind: 'newer' })
  for (const text of ['', 'x', '[]', 'null', '{"v":1}', '{"v":0,"epoch":1,"at":1}', '{"v":"2"}']) {
    assert.deepEqual(readJobData(Buffer.from(text)), { kind: 'malformed' }, text)
  }
  const large = Buffer.from(JSON.stringify({ v: 1, epoch: 1, at: 1, more: 'x'.repeat(5000) }))
  assert.deepEqual(readJobData(large), { kind: 'malformed' })
  const claim = claimData({ claimId: 'x', conductor: 'c', epoch: 2 }, '0/name')
  assert.deepEqual(readClaimData(claim), {
    kind: 'read',
    value: { v: 1, claimId: 'x', conductor: 'c', epoch: 2, job: '0/name' },
  })
})
