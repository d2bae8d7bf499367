/** Certificates for a private RabbitMQ node, made by `openssl` for the occasion. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import type { RabbitmqSite } from './rabbitmq-site.ts'

/** What a client of a node with TLS needs. */
export interface RabbitmqTls {
  /** The AMQPS URL of the virtual host `/`, with the name `localhost`. */
  readonly url: string
  /** Path of the certificate of the authority (PEM) that signed the server's certificate. */
  readonly ca: string
  /** Paths of the server's certificate (`localhost`, 127.0.0.1) and its key (PEM). */
  readonly cert: string
  readonly key: string
  /** The node's settings, as terms of Erlang. */
  readonly settings: Readonly<Record<string, string>>
}

/** Makes an authority, and a certificate for the node `name`, valid for two days. */
export async function makeTls(site: RabbitmqSite, name: string): Promise<RabbitmqTls> {
  const folder = site.makeFolder(`${name}-tls`)
  const inFolder = (file: string) => path.join(folder, file)
  const openssl = (...args: readonly string[]) =>
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  const keys = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl(
    ...['req', '-x509', ...keys, '-days', '2', '-subj', '/CN=Test authority'],
    ...['-keyout', 'ca.key', '-out', 'ca.pem'],
  )
  openssl('req', ...keys, '-subj', '/CN=localhost', '-keyout', 'key.pem', '-out', 'request.pem')
  fs.writeFileSync(inFolder('names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n')
  openssl(
    ...['x509', '-req', '-in', 'request.pem', '-days', '2', '-extfile', 'names'],
    ...['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'cert.pem'],
  )
  for (const file of ['ca.pem', 'cert.pem', 'key.pem']) site.own(inFolder(file))
  const port = await site.quietPort()
  const [ca, cert, key] = [inFolder('ca.pem'), inFolder('cert.pem'), inFolder('key.pem')]
  return {
    url: `amqps://guest:guest@localhost:${port}/%2F`,
    ca,
    cert,
    key,
    settings: {
      ssl_listeners: `[{"127.0.0.1", ${port}}]`,
      ssl_options:
        `[{cacertfile, "${ca}"}, {certfile, "${cert}"}, {keyfile, "${key}"}, ` +
        `{verify, verify_none}, {fail_if_no_peer_cert, false}]`,
    },
  }
}
