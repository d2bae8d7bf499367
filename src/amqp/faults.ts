/** What errors of amqplib and of sockets mean. Nothing else looks at reply codes or at their texts. */
import { UnavailableError, UsageError } from '../base/errors.ts'
import type { Address } from './addresses.ts'

/** Reply codes that end a channel because of what was asked on it; asking again later may go well. */
export const ACCESS_REFUSED = 403
export const NOT_FOUND = 404
export const RESOURCE_LOCKED = 405
export const PRECONDITION_FAILED = 406

const REFUSED_LOGIN = /ACCESS[_-]REFUSED/
/** The broker closes what it should have opened, and amqplib does not say why. */
const REFUSED_VHOST = /Expected ConnectionOpenOk; got <ConnectionClose|NOT_ALLOWED/

/** The reply code of an error of amqplib, or the code of one of a socket. */
export function codeOf(error: unknown): number | string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'number' || typeof error.code === 'string' ? error.code : undefined
}

/** Whether an operation was refused on its channel, while the connection lives. */
export function isRefusal(error: unknown): boolean {
  const code = codeOf(error)
  return (
    code === ACCESS_REFUSED ||
    code === NOT_FOUND ||
    code === RESOURCE_LOCKED ||
    code === PRECONDITION_FAILED
  )
}

/** Whether the broker knows us and does not want us: trying again at once is no use. */
export function isUnwelcome(error: unknown): boolean {
  const { message } = toError(error)
  return REFUSED_LOGIN.test(message) || REFUSED_VHOST.test(message)
}

export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}

/** Why a host could not be connected to, for people. */
export function cannotConnect(address: Address, thrown: unknown): UnavailableError {
  const error = toError(thrown)
  const { reason, hint } = explain(address, error)
  return new UnavailableError(address.shown, { reason, hint, cause: error })
}

function explain(address: Address, error: Error): { reason: string; hint?: string } {
  const { message } = error
  const vhost = decodeURIComponent(address.vhost) || '/'
  const user = JSON.stringify(address.username)
  if (REFUSED_LOGIN.test(message)) {
    return {
      reason: `the broker refused the user ${user}`,
      hint: "the name or the password is wrong, or the user may not connect from here (guest may only on the broker's own host)",
    }
  }
  if (REFUSED_VHOST.test(message)) {
    return {
      reason: `the broker refused its virtual host ${JSON.stringify(vhost)} to the user ${user}`,
      hint: 'there is no such virtual host (rabbitmqctl add_vhost), or the user may not use it (rabbitmqctl set_permissions)',
    }
  }
  const code = codeOf(error)
  if (typeof code === 'string' && /CERT|SIGNATURE|ISSUER/.test(code)) {
    return {
      reason: `its certificate is not trusted (${code}: ${message})`,
      hint: 'give the certificate of its authority as tls.ca, and its name as tls.servername where the URL has another one',
    }
  }
  switch (code) {
    case 'ECONNREFUSED':
      return {
        reason: 'nobody listens there',
        hint: 'is the broker running, and is the port right?',
      }
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return { reason: `the host ${JSON.stringify(address.hostname)} is not known` }
    case 'EPROTO':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
      return { reason: `no TLS is spoken there (${message})`, hint: 'is it the port for amqps://?' }
    default:
      if (message.includes('closed abruptly')) {
        return {
          reason: 'it closed the connection before it was open',
          hint: 'it may be starting or stopping, or want TLS (amqps://)',
        }
      }
      return { reason: message }
  }
}

/** A declaration that was refused, for people. */
export function cannotDeclare(what: string, thrown: unknown): UsageError | UnavailableError {
  const error = toError(thrown)
  switch (codeOf(error)) {
    case PRECONDITION_FAILED:
      return new UsageError(`${what} exists on the broker and is another: ${difference(error)}`, {
        hint: 'delete it there once it is empty, or use another namespace; what is there is used as it is until then',
        cause: error,
      })
    case ACCESS_REFUSED:
      return new UsageError(`${what} is not there, and the user may not declare it`, {
        hint: 'let somebody declare it who may, or give the user the permission "configure"',
        cause: error,
      })
    case RESOURCE_LOCKED:
      return new UnavailableError(what, {
        reason: 'it belongs to another connection',
        hint: 'an earlier connection of this process may not have been noticed to be gone yet; it is tried again',
        cause: error,
      })
    default:
      return new UnavailableError(what, { reason: error.message, cause: error })
  }
}

/** From `inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received the value '1' of type 'long' but current is none`. */
function difference({ message }: Error): string {
  const match = /inequivalent arg '([^']*)'.*?: (received .*?)"?$/.exec(message)
  return match === null ? message : `its argument ${match[1]}: ${match[2]}`
}
