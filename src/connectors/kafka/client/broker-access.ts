/**
 * How to reach and persuade the brokers: addresses, credentials, certificates, time limits. Checked when
 * the job is defined. Nothing of it that is secret is visible from outside: neither printing this object nor
 * turning it into JSON shows more than the addresses.
 */
import { isIP } from 'node:net';
import type { ConnectionOptions } from '@platformatic/kafka';
import type { FileSystem } from '../../../common/file-system.ts';
import type { ConnectionProperties } from './connection-properties.ts';
import { badProperty, unreadableSecret } from './errors.ts';

export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
}

export class BrokerAccess {
  readonly brokers: readonly BrokerAddress[];
  readonly #properties: ConnectionProperties;
  readonly #sasl: NonNullable<ConnectionOptions['sasl']> | undefined;

  /**
   * @param brokers `host:port`, several of them with commas or as an array.
   * @throws {EngineError} `KAF-001`
   */
  constructor(brokers: string | readonly string[], properties: ConnectionProperties) {
    this.brokers = addresses(brokers);
    this.#properties = properties;
    const protocol = properties['security.protocol'];
    this.#sasl = protocol.startsWith('SASL') ? credentials(properties) : undefined;
    for (const store of ['ssl.truststore.type', 'ssl.keystore.type'] as const) {
      const good = store === 'ssl.keystore.type' ? 'PEM or PKCS12' : 'PEM';
      const type = properties[store];
      if (type === 'JKS' || (type === 'PKCS12' && good === 'PEM')) {
        throw badProperty(store, type, `${good}; keytool converts such a store`);
      }
    }
  }

  get clientId(): string | undefined {
    return this.#properties['client.id'];
  }

  get timing() {
    const properties = this.#properties;
    return {
      firstMs: properties['retry.backoff.ms'],
      maxMs: Math.max(properties['retry.backoff.max.ms'], properties['retry.backoff.ms']),
      giveUpAfterMs: properties['default.api.timeout.ms'],
    };
  }

  toJSON(): object {
    return { brokers: this.brokers };
  }

  /** For the library; reads certificates from their files. */
  async connectionOptions(fs: FileSystem, host: string): Promise<ConnectionOptions> {
    const properties = this.#properties;
    const isTls = properties['security.protocol'].endsWith('SSL');
    return {
      connectTimeout: properties['socket.connection.setup.timeout.ms'],
      requestTimeout: properties['request.timeout.ms'],
      // Several may be under way: the broker answers in their order, the caller bounds how many.
      maxInflights: 64,
      // A name for the broker to choose its certificate by; an address is none.
      tlsServerName: isTls && isIP(host) === 0,
      ...(isTls ? { tls: await this.#tls(fs) } : {}),
      ...(this.#sasl === undefined ? {} : { sasl: this.#sasl }),
    };
  }

  async #tls(fs: FileSystem): Promise<NonNullable<ConnectionOptions['tls']>> {
    const properties = this.#properties;
    const read = async (
      ...names: readonly (keyof ConnectionProperties)[]
    ): Promise<Buffer | undefined> => {
      for (const name of names) {
        const value = properties[name];
        if (value === undefined) continue;
        // Kafka's properties that do not end in `location` hold the PEM text itself.
        if (!name.endsWith('location')) return Buffer.from(String(value));
        return Buffer.from(await readFile(fs, name, String(value)));
      }
      return undefined;
    };
    const store = 'ssl.keystore.location';
    const isPkcs12 = properties['ssl.keystore.type'] === 'PKCS12';
    const passphrase = isPkcs12
      ? properties['ssl.keystore.password']
      : properties['ssl.key.password'];
    const files = {
      ca: await read('ssl.truststore.certificates', 'ssl.truststore.location', 'ssl.ca.location'),
      ...(isPkcs12
        ? { pfx: await read(store) }
        : {
            // A PEM key store holds the key and the certificate, one behind the other.
            cert: await read('ssl.keystore.certificate.chain', 'ssl.certificate.location', store),
            key: await read('ssl.keystore.key', 'ssl.key.location', store),
          }),
      passphrase,
    };
    const given = Object.entries(files).filter(([, value]) => value !== undefined);
    const checksName = properties['ssl.endpoint.identification.algorithm'] === 'https';
    return {
      ...Object.fromEntries(given),
      ...(checksName ? {} : { checkServerIdentity: () => undefined }),
    };
  }
}

async function readFile(fs: FileSystem, property: string, path: string): Promise<Uint8Array> {
  try {
    return await fs.readFile(path);
  } catch (cause) {
    throw unreadableSecret(property, path, cause);
  }
}

function addresses(brokers: string | readonly string[]): BrokerAddress[] {
  const said = (typeof brokers === 'string' ? brokers.split(',') : brokers).map((one) =>
    one.trim(),
  );
  const found = said.map((one) => {
    const [, host, port] = /^\[?([^[\]]+)\]?:(\d{1,5})$/.exec(one) ?? [];
    if (host === undefined) throw badProperty('brokers', one, 'kafka-1:9092,kafka-2:9092');
    return { host, port: Number(port) };
  });
  if (found.length === 0) throw badProperty('brokers', '', 'kafka-1:9092,kafka-2:9092');
  return found;
}

function credentials(properties: ConnectionProperties): NonNullable<ConnectionOptions['sasl']> {
  const jaas = properties['sasl.jaas.config'];
  const username = properties['sasl.username'] ?? jaasOption(jaas, 'username');
  const password = properties['sasl.password'] ?? jaasOption(jaas, 'password');
  const good = '…LoginModule required username="…" password="…";';
  if (username === undefined) throw badProperty('sasl.jaas.config', '***', good);
  if (password === undefined) throw badProperty('sasl.jaas.config', '***', good);
  // A function, so that whoever prints the options does not print the password.
  return { mechanism: properties['sasl.mechanism'], username, password: () => password };
}

/** `name="value"` of a JAAS line; a backslash escapes a quote. */
function jaasOption(line: string | undefined, name: string): string | undefined {
  const [, found] = new RegExp(`\\b${name}\\s*=\\s*"((?:[^"\\\\]|\\\\.)*)"`).exec(line ?? '') ?? [];
  return found?.replaceAll(/\\(.)/g, '$1');
}
