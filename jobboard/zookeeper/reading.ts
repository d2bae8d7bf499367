/** What people ask a board: what stands on it, in the order of claiming, and who owns what. Slower than claiming, and up to date. */
import type { BoardEntry, Owner } from '../jobboard.ts'
import type { ZooKeeperClient } from './contract.ts'
import type { Inventory } from './inventory.ts'
import {
  readBucketName,
  readClaimData,
  readJobData,
  readJobName,
  readKey,
  type BoardPaths,
} from './names.ts'
import { isReply } from './refusals.ts'

/** Entries that are read together. */
const PAGE = 100

interface Place {
  readonly bucket: string
  readonly name: string
  readonly isClaimed: boolean
}

/** Postings in the order of claiming. What is malformed, or goes meanwhile, is passed over. */
export async function* readEntries(
  client: ZooKeeperClient,
  paths: BoardPaths,
  inventory: Inventory,
  {
    unclaimedOnly = false,
    limit = Infinity,
  }: {
    readonly unclaimedOnly?: boolean | undefined
    readonly limit?: number | undefined
  },
): AsyncIterable<BoardEntry> {
  await client.sync(paths.jobs)
  const claimed = new Set(await inventory.claims())
  const buckets = await inventory.buckets()
  const places = [...buckets]
    .sort((a, b) => (readBucketName(b.bucket) ?? 0) - (readBucketName(a.bucket) ?? 0))
    .flatMap(({ bucket, names }): readonly Place[] =>
      [...names].sort().flatMap((name) => {
        const read = readJobName(name)
        return read === null ? [] : { bucket, name, isClaimed: claimed.has(read.key) }
      }),
    )
    .filter((place) => !unclaimedOnly || !place.isClaimed)
  let left = limit
  for (let at = 0; at < places.length && left > 0;) {
    const page = places.slice(at, at + Math.min(PAGE, left))
    at += page.length
    const entries = await Promise.all(page.map((place) => readEntry(client, paths, place)))
    for (const entry of entries) {
      if (entry === null || left <= 0) continue
      left--
      yield entry
    }
  }
}

/** Who owns the newest posting of a job that has an owner. */
export async function readOwner(
  client: ZooKeeperClient,
  paths: BoardPaths,
  inventory: Inventory,
  jobId: string,
): Promise<Owner | null> {
  await client.sync(paths.claims)
  const postings = (await inventory.claims())
    .flatMap((name) => {
      const read = readKey(name)
      return read?.jobId === jobId ? { name, posting: read.posting } : []
    })
    .sort((a, b) => b.posting - a.posting)
  for (const { name } of postings) {
    const owner = await readClaim(client, `${paths.claims}/${name}`)
    if (owner !== null) return owner
  }
  return null
}

async function readEntry(
  client: ZooKeeperClient,
  paths: BoardPaths,
  { bucket, name, isClaimed }: Place,
): Promise<BoardEntry | null> {
  const read = readJobName(name)
  const priority = readBucketName(bucket)
  if (read === null || priority === null) return null
  const { jobId, posting, createdAt, key } = read
  const [data, owner] = await Promise.all([
    readData(client, `${paths.jobs}/${bucket}/${name}`),
    isClaimed ? readClaim(client, `${paths.claims}/${key}`) : null,
  ])
  const reading = data === null ? null : readJobData(data)
  if (reading?.kind !== 'read') return null
  return { jobId, posting, priority, createdAt, epoch: reading.value.epoch, owner }
}

async function readClaim(client: ZooKeeperClient, path: string): Promise<Owner | null> {
  const data = await readData(client, path)
  const reading = data === null ? null : readClaimData(data)
  if (reading?.kind !== 'read') return null
  const { conductor, claimId, epoch } = reading.value
  return { conductor, claimId, epoch }
}

async function readData(client: ZooKeeperClient, path: string): Promise<Buffer | null> {
  try {
    return (await client.get(path)).data
  } catch (error) {
    if (isReply(error, 'NO_NODE')) return null
    throw error
  }
}
