/**
 * Where a schema registry is and how to persuade it. Checked when the job is defined. Nothing of it that is
 * secret is visible from outside: neither printing this object nor turning it into JSON shows it.
 */
import type { FileSystem } from '../../../common/file-system.ts';
import { badProperty, unreadableSecret } from '../client/errors.ts';

/** How a schema registry is reached: what `fromAvro` and `toAvro` have in common. */
export interface RegistryOptions {
  /** `http(s)://host:port/path` of one registry; several addresses of it with commas or as a list, tried in turns. */
  readonly registry: string | readonly string[];
  /** For basic authentication, with `password`. Not in the address, where it would be seen. */
  readonly username?: string;
  readonly password?: string;
  /** A bearer token instead. */
  readonly token?: string;
  /** PEM files, for `https`. Default: the authorities that Node knows. */
  readonly tls?: RegistryTls;
  /** Milliseconds that one answer may take. Too short: good answers are thrown away. Default: 10,000. */
  readonly timeoutMs?: number;
  /**
   * For how many milliseconds the registry may be out of reach before the job fails and its restart strategy
   * decides. Until then records wait; none is taken for bad. Default: 300,000.
   */
  readonly unavailableAfterMs?: number;
}

export interface RegistryTls {
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly passphrase?: string;
}

const TIMEOUT_MS = 10_000;
const UNAVAILABLE_MS = 300_000;
const GOOD_URL = 'http://registry:8081';

export interface TlsFiles {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly passphrase?: string;
}

export class RegistryAccess {
  /** Without a slash at the end. */
  readonly urls: readonly string[];
  readonly timeoutMs: number;
  readonly unavailableAfterMs: number;
  readonly #authorization: string | undefined;
  readonly #tls: RegistryTls;

  /** @throws {EngineError} `KAF-001` */
  constructor(options: RegistryOptions) {
    const { registry, tls = {} } = options;
    const said = typeof registry === 'string' ? registry.split(',') : registry;
    this.urls = said.map((one) => checkUrl(one.trim()));
    if (this.urls.length === 0) throw badProperty('registry', '', GOOD_URL);
    this.#authorization = authorizationOf(options);
    this.#tls = tls;
    this.timeoutMs = positive('timeoutMs', options.timeoutMs, TIMEOUT_MS);
    this.unavailableAfterMs = positive(
      'unavailableAfterMs',
      options.unavailableAfterMs,
      UNAVAILABLE_MS,
    );
  }

  headers(): Readonly<Record<string, string>> {
    return this.#authorization === undefined ? {} : { authorization: this.#authorization };
  }

  /** @throws {EngineError} `KAF-010` */
  async tlsFiles(fs: FileSystem): Promise<TlsFiles> {
    const { caFile, certFile, keyFile, passphrase } = this.#tls;
    const read = async (property: string, path: string | undefined) => {
      if (path === undefined) return undefined;
      try {
        return Buffer.from(await fs.readFile(path));
      } catch (cause) {
        throw unreadableSecret(`tls.${property}`, path, cause);
      }
    };
    const files = {
      ca: await read('caFile', caFile),
      cert: await read('certFile', certFile),
      key: await read('keyFile', keyFile),
      passphrase,
    };
    return Object.fromEntries(Object.entries(files).filter(([, value]) => value !== undefined));
  }

  toJSON(): object {
    return { registry: this.urls };
  }
}

function checkUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // What stands before the @ is secret: it must not come back in the error.
  const shown = text.replace(/\/\/[^/]*@/, '//***@');
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== '') {
    throw badProperty('registry', shown, GOOD_URL);
  }
  if (url.username !== '' || url.password !== '') {
    throw badProperty('registry', shown, `${GOOD_URL}, with username and password beside it`);
  }
  return url.href.replace(/\/+$/, '');
}

function authorizationOf({ username, password, token }: RegistryOptions): string | undefined {
  if (token !== undefined) {
    if (username !== undefined) throw badProperty('token', '***', 'a token, or username, not both');
    return `Bearer ${token}`;
  }
  if ((username === undefined) !== (password === undefined)) {
    throw badProperty('password', '***', 'a password beside the username');
  }
  if (username === undefined || password === undefined) return undefined;
  if (username.includes(':')) throw badProperty('username', username, 'a name without a colon');
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function positive(name: string, value: number | undefined, otherwise: number): number {
  const said = value ?? otherwise;
  if (!(said > 0)) throw badProperty(name, String(said), String(otherwise));
  return said;
}
