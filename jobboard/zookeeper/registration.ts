/**
 * Who else lives: conductors register with an ephemeral node each, and see those of the same board.
 *
 * Owns: one watch on the registrations, and one on a name that somebody else still has; a timer for the next look at both.
 *
 * Invariants
 * M1  A name is registered by one session at a time. Who wants a name that is taken waits as long as the session of who has it may
 *     outlive its process, then gives up. A registration of this very incarnation, from an earlier session, is replaced.
 * M2  Registration is made again after each lost session, as long as it takes, until `leave()`.
 * M3  What the members are told from is names alone; contents are for people, and a malformed one hurts nobody.
 */
import { hostname } from 'node:os'
import type { Clock } from '../../src/base/clock.ts'
import { ConflictError } from '../../src/base/errors.ts'
import type { Logger } from '../../src/base/logger.ts'
import type { FleetMember } from '../jobboard.ts'
import type { ZooKeeperClient } from './contract.ts'
import {
  CONDUCTORS,
  decodeName,
  encodeName,
  memberData,
  readMemberData,
  type MemberData,
} from './names.ts'
import { ifThere, isReply, isUnknown } from './refusals.ts'

/** What servers take longer than a session to end it: they look once a tick, every 2 s unless they are told otherwise. */
const MARGIN_MS = 3000
const LOOK_EVERY_MS = 5000

export interface RegistrationOptions {
  readonly client: ZooKeeperClient
  readonly board: string
  readonly clock: Clock
  readonly logger: Logger
  /** Told when members come or go: my name, once registered, and all of the board. */
  readonly onMembers: (me: string | null, names: readonly string[]) => void
}

export class Registration {
  readonly #options: RegistrationOptions
  readonly #prefix: string
  #member: FleetMember | null = null
  #names: readonly string[] = []
  #isWatching = false
  #isArmed = false
  #session: number | null = null
  #cancelLook: () => void = () => {}
  readonly #wakers = new Set<() => void>()

  constructor(options: RegistrationOptions) {
    this.#options = options
    this.#prefix = `${encodeName(options.board)}:`
  }

  get member(): FleetMember | null {
    return this.#member
  }

  /** Throws {@link ConflictError} when another one has the name, and keeps it (M1). */
  async join(member: FleetMember): Promise<void> {
    await this.#register(member)
    this.#member = member
    this.#isWatching = true
    await this.#look()
    this.#armLook()
  }

  async leave(): Promise<void> {
    const member = this.#member
    this.#member = null
    this.#options.onMembers(null, this.#names)
    if (member === null) return
    const { client } = this.#options
    const path = this.#pathOf(member.name)
    const found = await this.#read(path)
    if (found?.data?.id === member.id) await ifThere(client.remove(path))
  }

  /** A session has begun (M2). */
  begin(): void {
    this.end()
    this.#session = this.#options.client.session
    if (this.#isWatching) void this.#again()
  }

  /** The session is over, or the board is. */
  end(): void {
    this.#session = null
    this.#isArmed = false
    this.#cancelLook()
    for (const wake of [...this.#wakers]) wake()
  }

  /** Those that live, by name, with what they say of themselves. Registrations of no session are removed (M1). */
  async members(): Promise<readonly MemberData[]> {
    const found = await Promise.all(
      (await this.#list()).map(async (name) => {
        const path = this.#pathOf(name)
        const one = await this.#read(path)
        if (one === null || one.owner !== null) return one?.data ?? null
        await this.#removeGhost(path)
        return null
      }),
    )
    return found.filter((one) => one !== null)
  }

  /** Begins to look at who comes and goes, for {@link RegistrationOptions.onMembers}. */
  watch(): void {
    if (this.#isWatching) return
    this.#isWatching = true
    if (this.#session !== null) void this.#again()
  }

  /** Registers if need be, looks, and does both again now and then. Never throws. */
  async #again(): Promise<void> {
    const { logger } = this.#options
    const session = this.#session
    if (session === null) return
    this.#cancelLook()
    try {
      if (this.#member !== null) await this.#register(this.#member)
      if (this.#session === session) await this.#look()
    } catch (error) {
      if (error instanceof ConflictError) {
        logger.error({ error }, 'this conductor is not registered at its board; trying again')
      } else logger.debug({ error }, 'the registration could not be looked at; trying again')
    }
    if (this.#session === session) this.#armLook()
  }

  #armLook(): void {
    const { clock } = this.#options
    this.#cancelLook()
    this.#cancelLook = clock.setTimer(() => void this.#again(), clock.now() + LOOK_EVERY_MS)
  }

  async #look(): Promise<void> {
    const names = await this.#list(true)
    const before = this.#names
    this.#names = names
    const me = this.#member?.name ?? null
    if (me !== null || before.join('\n') !== names.join('\n')) this.#options.onMembers(me, names)
  }

  async #list(isWatched = false): Promise<readonly string[]> {
    const { client } = this.#options
    const session = this.#session
    const isNew = isWatched && !this.#isArmed && session !== null
    if (isNew) this.#isArmed = true
    const watch = (): void => {
      if (this.#session !== session) return
      this.#isArmed = false
      void this.#again()
    }
    try {
      const { names } = await client.children(CONDUCTORS, isNew ? { watch } : {})
      return names
        .filter((name) => name.startsWith(this.#prefix))
        .flatMap((name) => decodeName(name.slice(this.#prefix.length)) ?? [])
        .sort()
    } catch (error) {
      if (isNew) this.#isArmed = false
      if (!isReply(error, 'NO_NODE')) throw error
      await client.ensure(CONDUCTORS)
      return this.#list(isWatched)
    }
  }

  /** M1. */
  async #register(member: FleetMember): Promise<void> {
    const { client, clock, board } = this.#options
    const path = this.#pathOf(member.name)
    const where = { board, host: hostname(), pid: process.pid, sessionMs: client.sessionTimeoutMs }
    let deadline: number | null = null
    for (;;) {
      try {
        await client.create(path, memberData(member, where), { ephemeral: true })
        return
      } catch (error) {
        if (isReply(error, 'NO_NODE')) {
          await client.ensure(CONDUCTORS)
          continue
        }
        if (!isReply(error, 'NODE_EXISTS') && !isUnknown(error)) throw error
      }
      const found = await this.#read(path)
      if (found === null) continue
      const { data, owner } = found
      if (data?.id === member.id && owner === client.sessionId) return
      if (owner === null || data?.id === member.id) {
        // Of nobody: no session would ever end it. Or of an earlier session of ours.
        if (owner === null) await this.#removeGhost(path)
        else await ifThere(client.remove(path))
        continue
      }
      deadline ??= clock.now() + (data?.sessionMs ?? client.sessionTimeoutMs) + MARGIN_MS
      if (clock.now() >= deadline) throw this.#conflict(member, data)
      await this.#untilGone(path, deadline)
    }
  }

  /** Resolves when the node may be gone, at `deadline`, or when the session ends. */
  async #untilGone(path: string, deadline: number): Promise<void> {
    const { client, clock } = this.#options
    let wake = (): void => {}
    const woken = new Promise<void>((resolve) => (wake = resolve))
    this.#wakers.add(wake)
    const cancel = clock.setTimer(wake, deadline)
    try {
      const stat = await client.exists(path, { watch: wake })
      if (stat !== null) await woken
    } finally {
      cancel()
      this.#wakers.delete(wake)
    }
  }

  async #removeGhost(path: string): Promise<void> {
    const { client, logger } = this.#options
    await ifThere(client.remove(path))
    logger.warn({ node: path }, 'removed a registration that belongs to no session')
  }

  #conflict(member: FleetMember, other: MemberData | null): ConflictError {
    const place = [
      other?.host === undefined ? [] : [`host ${other.host}`],
      other?.pid === undefined ? [] : [`process ${other.pid}`],
      other === null ? ['a node that cannot be read'] : [`id ${other.id}`],
    ]
    return new ConflictError(
      `the name "${member.name}"`,
      `another conductor of the board "${this.#options.board}" has it and lives (${place.flat().join(', ')})`,
      { hint: 'give this one another name, or stop that one' },
    )
  }

  async #read(
    path: string,
  ): Promise<{ readonly data: MemberData | null; readonly owner: string | null } | null> {
    try {
      const { data, stat } = await this.#options.client.get(path)
      const reading = readMemberData(data)
      return { data: reading.kind === 'read' ? reading.value : null, owner: stat.ephemeralOwner }
    } catch (error) {
      if (isReply(error, 'NO_NODE')) return null
      throw error
    }
  }

  #pathOf(name: string): string {
    return `${CONDUCTORS}/${this.#prefix}${encodeName(name)}`
  }
}
