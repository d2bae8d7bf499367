import type { OperatorLink } from '../amqp/operator-link.ts'
import type { Context } from './context.ts'

/** A link to the broker for looking and mending; it is closed with the context. Throws {@link UsageError}, {@link UnavailableError}. */
export async function openOperatorLink(context: Context): Promise<OperatorLink> {
  const { urls, namespace, tls } = context.requireBroker('there is no broker to look at')
  const { OperatorLink } = await import('../amqp/operator-link.ts')
  const link = await OperatorLink.open({
    urls,
    namespace,
    tls,
    connectionName: `${namespace} operator`,
    logger: context.logger,
  })
  context.onClose(() => link.close())
  return link
}
