/** Cuts what comes from a server into messages: four bytes of length, and so many bytes. One for each connection. */

/** Of the header that begins every message but the first: xid (4), zxid (8), code (4). */
const HEADER_BYTES = 16

export class Frames {
  readonly #limitBytes: number
  #chunks: Buffer[] = []
  #bytes = 0
  /** Bytes that the next message has, with its length; 0 while that is not known. */
  #wanted = 0

  /** @param limitBytes a longer message is none: it throws. */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  /** Whether a message has begun and is not complete. */
  get isPartial(): boolean {
    return this.#bytes > 0
  }

  /** Takes bytes, and returns the messages that are complete now, each with its length. Throws where this is no message. */
  take(bytes: Buffer): readonly Buffer[] {
    this.#chunks.push(bytes)
    this.#bytes += bytes.length
    const frames: Buffer[] = []
    while (this.#bytes >= (this.#wanted || 4)) {
      const all = this.#joined()
      if (this.#wanted === 0) {
        const length = all.readInt32BE(0)
        if (length < 0 || length > this.#limitBytes) {
          throw new Error(`a message of ${length} bytes cannot be ZooKeeper's`)
        }
        this.#wanted = length + 4
      }
      if (this.#bytes < this.#wanted) break
      frames.push(all.subarray(0, this.#wanted))
      const rest = all.subarray(this.#wanted)
      this.#chunks = rest.length === 0 ? [] : [rest]
      this.#bytes = rest.length
      this.#wanted = 0
    }
    return frames
  }

  #joined(): Buffer {
    const [first, ...more] = this.#chunks
    const all = first !== undefined && more.length === 0 ? first : Buffer.concat(this.#chunks)
    this.#chunks = [all]
    return all
  }
}

/** The header of a reply or a notification, in a message with its length. */
export interface ReplyHeader {
  /** Number of the request; below 0: no reply to one. */
  readonly xid: number
  readonly zxid: bigint
  /** 0: done. */
  readonly code: number
}

/** Reads the header. Throws where the message is too short for one. */
export function readHeader(frame: Buffer): ReplyHeader {
  if (frame.length < 4 + HEADER_BYTES) throw new Error(`a message of ${frame.length - 4} bytes`)
  return {
    xid: frame.readInt32BE(4),
    zxid: frame.readBigInt64BE(8),
    code: frame.readInt32BE(16),
  }
}

/** Where the code of a reply stands in its message. */
export const CODE_OFFSET = 16
/** Where the body begins. */
export const BODY_OFFSET = 4 + HEADER_BYTES
