/** Certificates for tests, made by `openssl` for the occasion. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'

/** PEM texts. */
export interface Certificates {
  /** Of the authority that signed both. */
  readonly ca: string
  /** For `localhost` and 127.0.0.1. */
  readonly server: { readonly cert: string; readonly key: string }
  readonly client: { readonly cert: string; readonly key: string }
}

/** Makes an authority, a server's and a client's certificate in a folder; they are valid for two days. */
export function makeCertificates(folder: string): Certificates {
  const openssl = (...args: readonly string[]) =>
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  const read = (name: string): string => fs.readFileSync(path.join(folder, name), 'utf8')
  const keys = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl(
    ...['req', '-x509', ...keys, '-days', '2', '-subj', '/CN=Test authority'],
    ...['-keyout', 'ca.key', '-out', 'ca.pem'],
  )
  fs.writeFileSync(path.join(folder, 'names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n')
  const sign = (name: string): { readonly cert: string; readonly key: string } => {
    const [key, cert, request] = [`${name}.key`, `${name}.pem`, `${name}.request`]
    openssl('req', ...keys, '-subj', `/CN=${name}`, '-keyout', key, '-out', request)
    openssl(
      ...['x509', '-req', '-in', request, '-days', '2', '-extfile', 'names'],
      ...['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', cert],
    )
    return { cert: read(cert), key: read(key) }
  }
  return { ca: read('ca.pem'), server: sign('localhost'), client: sign('client') }
}
