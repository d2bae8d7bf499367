/** Operations as requests of ZooKeeper's protocol. Paths are from the root of the tree. */
import type { TransactionStep } from './contract.ts'
import type { JuteAcl, JuteRecord, JuteRequest, Library } from './library.ts'

const OPCODES = {
  create: 1,
  remove: 2,
  exists: 3,
  get: 4,
  set: 5,
  sync: 9,
  children: 12,
  check: 13,
  transaction: 14,
  setWatches: 101,
} as const
/** The reply is read by this one's rule, which is the same: a path. */
const READ_AS_CREATE = OPCODES.create
const EPHEMERAL = 1
const PERSISTENT = 0
const ANY_VERSION = -1
/** Where a header has the kind of its request. */
const TYPE_OFFSET = 4

export class Requests {
  readonly #library: Library
  readonly #acl: readonly JuteAcl[]
  readonly #aclRecords: readonly JuteRecord[]

  /** @param isOwned whether nodes belong to the user of the connection alone. */
  constructor(library: Library, options: { readonly isOwned: boolean }) {
    this.#library = library
    this.#acl = options.isOwned ? library.acls.creator : library.acls.open
    this.#aclRecords = this.#acl.map((acl) => acl.toRecord())
  }

  create(path: string, data: Buffer, isEphemeral: boolean): JuteRequest {
    return this.#request(OPCODES.create, 'CreateRequest', {
      path,
      data,
      acl: this.#aclRecords,
      flags: isEphemeral ? EPHEMERAL : PERSISTENT,
    })
  }

  remove(path: string, version = ANY_VERSION): JuteRequest {
    return this.#request(OPCODES.remove, 'DeleteRequest', { path, version })
  }

  exists(path: string, watch: boolean): JuteRequest {
    return this.#request(OPCODES.exists, 'ExistsRequest', { path, watch })
  }

  get(path: string, watch: boolean): JuteRequest {
    return this.#request(OPCODES.get, 'GetDataRequest', { path, watch })
  }

  set(path: string, data: Buffer, version = ANY_VERSION): JuteRequest {
    return this.#request(OPCODES.set, 'SetDataRequest', { path, data, version })
  }

  children(path: string, watch: boolean): JuteRequest {
    return this.#request(OPCODES.children, 'GetChildren2Request', { path, watch })
  }

  /** The library knows neither the request nor its reply: both are a path, as those of others. */
  sync(path: string): JuteRequest {
    const request = this.#request(READ_AS_CREATE, 'GetACLRequest', { path })
    const { header } = request
    const serialize = header.serialize.bind(header)
    header.serialize = (buffer, offset) => {
      const written = serialize(buffer, offset)
      buffer.writeInt32BE(OPCODES.sync, offset + TYPE_OFFSET)
      return written
    }
    return request
  }

  /** Watches of an earlier connection; what changed since transaction `zxid` is told at once. */
  setWatches(
    zxid: bigint,
    paths: {
      readonly data: readonly string[]
      readonly existence: readonly string[]
      readonly children: readonly string[]
    },
  ): JuteRequest {
    const relativeZxid = Buffer.alloc(8)
    relativeZxid.writeBigInt64BE(zxid)
    return this.#request(OPCODES.setWatches, 'SetWatches', {
      relativeZxid,
      dataWatches: paths.data,
      existWatches: paths.existence,
      childWatches: paths.children,
    })
  }

  /** Built without the library's own class for it, which takes version 0 for any version. */
  transaction(steps: readonly TransactionStep[]): JuteRequest {
    const { jute } = this.#library
    const operations = steps.map((step) => this.#step(step))
    return new jute.Request(
      this.#header(OPCODES.transaction),
      new jute.TransactionRequest(operations),
    )
  }

  #step(step: TransactionStep): object {
    const { path } = step
    switch (step.op) {
      case 'check':
        return { type: OPCODES.check, path, version: step.version }
      case 'create': {
        const mode = step.ephemeral === true ? EPHEMERAL : PERSISTENT
        return { type: OPCODES.create, path, data: step.data, acls: this.#acl, mode }
      }
      case 'set': {
        const version = step.version ?? ANY_VERSION
        return { type: OPCODES.set, path, data: step.data, version }
      }
      case 'remove':
        return { type: OPCODES.remove, path, version: step.version ?? ANY_VERSION }
    }
  }

  #request(
    type: number,
    name: keyof Library['jute']['protocol'],
    fields: Readonly<Record<string, unknown>>,
  ): JuteRequest {
    const payload = new this.#library.jute.protocol[name]()
    return new this.#library.jute.Request(this.#header(type), Object.assign(payload, fields))
  }

  /** Its number is 0 until it is written. */
  #header(type: number): JuteRecord {
    return new this.#library.jute.protocol.RequestHeader(0, type)
  }
}
