/** Names of everything on a broker, from the namespace. `docs/protocol.md` lists them. */
export interface Names {
  /** Direct exchange for requests; the routing key is the topic. */
  readonly requests: string
  /** Direct exchange for what goes to conductors; the routing key is the reply queue's name (`reply_to`). */
  readonly replies: string
  /** Fanout exchange for replies that no queue is bound for. */
  readonly unrouted: string
  /** Queue behind it: replies whose queue is gone. */
  readonly unclaimed: string
  /** Direct exchange for what goes to one worker; the routing key is the worker's id. */
  readonly control: string
  /** Queue of what workers announce. */
  readonly announcements: string
  /** Exchange and queue of messages that nobody could use. */
  readonly dead: string
  /** Queue of wake-ups that are due. */
  readonly timers: string
  topic(topic: string): string
  replyQueue(conductor: string): string
  controlQueue(worker: string): string
  marker(uuid: string): string
  delayLevel(level: number): string
}

/** The names in a namespace. */
export function namesOf(namespace: string): Names {
  return {
    requests: `${namespace}.requests`,
    replies: `${namespace}.replies`,
    unrouted: `${namespace}.unrouted`,
    unclaimed: `${namespace}.replies.unclaimed`,
    control: `${namespace}.control`,
    announcements: `${namespace}.announcements`,
    dead: `${namespace}.dead`,
    timers: `${namespace}.timers`,
    topic: (topic) => `${namespace}.topic.${topic}`,
    replyQueue: (conductor) => `${namespace}.replies.${conductor}`,
    controlQueue: (worker) => `${namespace}.control.${worker}`,
    marker: (uuid) => `${namespace}.marker.${uuid}`,
    delayLevel: (level) => `${namespace}.delay.${level}`,
  }
}
