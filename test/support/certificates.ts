/** Certificates for tests, by openssl: an authority, and what it has signed. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

export interface Certificates {
  /** The authority's certificate. */
  readonly ca: string;
  /** Key and certificate of 127.0.0.1, one behind the other. */
  readonly server: string;
  /** The same of a client, and both in one PKCS12 file with the password `secret`. */
  readonly client: string;
  readonly clientPkcs12: string;
  /** The certificate of an authority that nobody trusts. */
  readonly otherCa: string;
}

export function makeCertificates(folder: string): Certificates {
  fs.mkdirSync(folder, { recursive: true });
  const at = (name: string): string => path.join(folder, name);
  const openssl = (...args: readonly string[]): void => {
    execFileSync('openssl', args, { stdio: 'pipe' });
  };
  const authority = (name: string): string => {
    const out = ['-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)];
    openssl(
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2'],
      ...out,
      '-subj',
      `/CN=${name}`,
    );
    return at(`${name}.pem`);
  };
  const signed = (name: string): string => {
    const request = at(`${name}.csr`);
    const key = at(`${name}.key`);
    const certificate = at(`${name}.crt`);
    fs.writeFileSync(at(`${name}.ext`), 'subjectAltName=IP:127.0.0.1');
    openssl(
      ...['req', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', request],
      '-subj',
      `/CN=${name}`,
    );
    openssl(
      ...['x509', '-req', '-days', '2', '-in', request, '-out', certificate],
      ...['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial'],
      ...['-extfile', at(`${name}.ext`)],
    );
    const both = fs.readFileSync(key, 'utf8') + fs.readFileSync(certificate, 'utf8');
    fs.writeFileSync(at(`${name}.pem`), both);
    return at(`${name}.pem`);
  };
  const ca = authority('ca');
  const otherCa = authority('other-ca');
  const server = signed('server');
  const client = signed('client');
  const clientPkcs12 = at('client.p12');
  openssl('pkcs12', '-export', '-in', client, '-out', clientPkcs12, '-passout', 'pass:secret');
  return { ca, server, client, clientPkcs12, otherCa };
}
