/** Where the service listens: address, ports, TLS, and what has to be set for that. */
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { EngineError } from '../common/errors.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import { portsOf } from '../settings/setting-types.ts';
import { isLoopback } from './guard.ts';

/** More clients at a time than any dashboard needs. */
const CONNECTIONS_MAX = 512;
/** Long enough for an upload over a slow line. */
const REQUEST_MS_MAX = 600_000;

/**
 * Without a token the service is for this machine only.
 *
 * @throws {EngineError} `RST-010` (`invalid`)
 */
export function requireSafeAddress({ restBindAddress, restToken }: FlinkSettings): void {
  if (restToken !== undefined || isLoopback(restBindAddress)) return;
  throw new EngineError('RST-010', 'invalid', 'an address for others needs a token', {
    details: { 'rest.bind-address': restBindAddress },
    hint: 'Set TIDEMARK_REST_TOKEN to at least 16 characters, or rest.bind-address to 127.0.0.1.',
  });
}

type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => void;

/** @throws {EngineError} `RST-011` (`invalid`) if the files of TLS cannot be used. */
export function makeServer(settings: FlinkSettings, handler: Handler): http.Server {
  const server = isTls(settings)
    ? https.createServer(tlsOptions(settings), handler)
    : http.createServer(handler);
  server.maxConnections = CONNECTIONS_MAX;
  server.requestTimeout = REQUEST_MS_MAX;
  return server;
}

export function isTls({ restSslEnabled, restTlsCertificate }: FlinkSettings): boolean {
  return restSslEnabled || restTlsCertificate !== undefined;
}

function tlsOptions(settings: FlinkSettings): https.ServerOptions {
  const { restSslKeystore, restSslKeystorePassword, restTlsCertificate, restTlsKey } = settings;
  try {
    const options: https.ServerOptions | undefined =
      restTlsCertificate !== undefined && restTlsKey !== undefined
        ? { cert: fs.readFileSync(restTlsCertificate), key: fs.readFileSync(restTlsKey) }
        : restSslKeystore === undefined
          ? undefined
          : {
              pfx: fs.readFileSync(restSslKeystore),
              ...(restSslKeystorePassword && { passphrase: restSslKeystorePassword }),
            };
    if (options === undefined) throw tlsError('no certificate is named');
    // Reads them at once: a bad file must not wait for the first client.
    https.createServer(options).close();
    return { ...options, minVersion: 'TLSv1.2' };
  } catch (error) {
    throw error instanceof EngineError ? error : tlsError('a file cannot be used', error);
  }
}

function tlsError(problem: string, cause?: unknown): EngineError {
  return new EngineError('RST-011', 'invalid', 'TLS cannot be set up', {
    details: { problem },
    hint: 'Set tidemark.rest.tls-certificate and tidemark.rest.tls-key to PEM files, or security.ssl.rest.keystore and its password to a PKCS#12 file.',
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * Listens on the first port of the range that is free.
 *
 * @returns The port.
 * @throws {EngineError} `RST-012` (`unavailable`) if none is.
 */
export async function listenInRange(server: Server, settings: FlinkSettings): Promise<number> {
  const { restBindAddress, restPort } = settings;
  let last: unknown;
  for (const port of portsOf(restPort)) {
    try {
      await listenOn(server, restBindAddress, port);
      return (server.address() as AddressInfo).port;
    } catch (error) {
      last = error;
      if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) break;
    }
  }
  throw new EngineError('RST-012', 'unavailable', 'the service cannot listen', {
    details: { 'rest.bind-address': restBindAddress, 'rest.bind-port': restPort },
    hint: 'Set rest.bind-port to a port or a range such as 8081-8099 in which one is free.',
    cause: last,
  });
}

function listenOn(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}
