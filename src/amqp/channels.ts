/** Channels of which nothing goes unheard. */
import type { Channel, ChannelModel, ConfirmChannel } from 'amqplib'
import type { Logger } from '../base/logger.ts'

/** A channel for questions and deliveries. What ends it is told to who asked on it; see also {@link whenClosed}. */
export async function openChannel(model: ChannelModel, logger: Logger): Promise<Channel> {
  return heard(await model.createChannel(), logger)
}

/** A channel for publications. */
export async function openConfirmChannel(
  model: ChannelModel,
  logger: Logger,
): Promise<ConfirmChannel> {
  return heard(await model.createConfirmChannel(), logger)
}

/** Calls `closed` once the channel is gone, with the broker's reason, if it had one. */
export function whenClosed(channel: Channel, closed: (reason: Error | undefined) => void): void {
  let reason: Error | undefined
  channel.on('error', (error) => (reason = error))
  channel.on('close', () => closed(reason))
}

/**
 * Closes a channel in order: what was written on it before is worked off. Resolves when the broker has answered, or when the channel is
 * gone, also together with its connection (the library then leaves who closes it without an answer, for ever). Never rejects.
 */
export function closeChannel(channel: Channel): Promise<void> {
  return new Promise((resolve) => {
    channel.on('close', resolve)
    channel.close().then(resolve, () => resolve()) // it was gone already
  })
}

/** Gives up a channel on which an answer did not come: the connection has room for so many. One that is gone already is no error. */
export function giveUp(channel: Channel): void {
  void closeChannel(channel) // the answer may come as late as the other
}

function heard<C extends Channel>(channel: C, logger: Logger): C {
  // Without a listener an error would be thrown; who needs it, listens by itself.
  channel.on('error', (error) => logger.debug({ error }, 'the broker closed a channel'))
  channel.on('handler-error', (error, event) => {
    logger.error({ error, event }, 'what listens to a channel failed; it goes on')
  })
  return channel
}
