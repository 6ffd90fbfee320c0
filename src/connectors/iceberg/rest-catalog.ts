/** A catalog that is a service, by Iceberg's REST protocol. */
import type { World } from '../../contracts/source.ts';
import type { S3Settings } from '../../storage/s3/s3-settings.ts';
import {
  type Catalog,
  type CommitOutcome,
  type IcebergCatalog,
  type LoadedTable,
  type NewTable,
  type TableName,
  tableText,
} from './catalog.ts';
import {
  badIcebergOption,
  catalogUnavailable,
  corruptTable,
  noSuchTable,
  outsideTable,
  signsOnly,
} from './errors.ts';
import { FileTableIo, localPath } from './file-table-io.ts';
import type { Json, JsonObject } from './lossless-json.ts';
import { RenewedTableIo, type TimedAccess } from './renewed-table-io.ts';
import { RestClient, type RestAccess } from './rest-client.ts';
import { isS3Location, s3Access, type S3Access, toS3Settings } from './s3-access.ts';
import { S3TableIo } from './s3-table-io.ts';
import type { TableChange } from './table-change.ts';
import type { TableIo } from './table-io.ts';
import { checkMetadata } from './table-metadata.ts';
import { hasKeys, joinedAccess, textsOf, toldAccess, type Told } from './told-access.ts';

export interface RestCatalogOptions extends RestAccess {
  /** Which of the service's warehouses, where it has several. */
  readonly warehouse?: string;
  /** Between `/v1` and the rest of a path. Default: what the service says. */
  readonly prefix?: string;
  /**
   * How S3 is reached where tables lie on it. It goes before what the catalog says, and that before the
   * engine's settings. With keys, the catalog is not asked for any.
   */
  readonly s3?: S3Access;
}

/**
 * A REST catalog. Its tables must be on S3, or on a disk that all TaskManagers have.
 *
 * @throws {EngineError} `ICE-001` (`invalid`).
 */
export function rest(options: RestCatalogOptions): IcebergCatalog {
  if (!/^https?:\/\/[^/]/.test(options.uri)) {
    throw badIcebergOption('uri', options.uri, '"http://127.0.0.1:8181"');
  }
  // Read now: while a job is built they are those it is built with.
  const own = s3Access();
  // What does not go together is found before anything runs.
  toS3Settings(options.s3 ?? {}, own);
  return { url: options.uri, connect: (world) => new RestCatalog(world, options, own) };
}

interface Config {
  readonly prefix: string;
  readonly separator: string;
  /** What it says to all its clients, of which `s3.*` is for tables' files. */
  readonly told: Told;
}

/** An answer without it may hold no keys, and must not. */
const DELEGATION = { 'x-iceberg-access-delegation': 'vended-credentials' };

export class RestCatalog implements Catalog {
  readonly url: string;
  readonly #world: World;
  readonly #client: RestClient;
  readonly #options: RestCatalogOptions;
  /** Of the engine. */
  readonly #s3: S3Settings;
  #config: Promise<Config> | undefined;
  /** One for each place: on a disk for what it remembers of its folders, on S3 for its keys. */
  readonly #folders = new Map<string, FileTableIo>();
  readonly #buckets = new Map<string, RenewedTableIo>();
  /** The newest of each place: with the same keys it is the same one. */
  readonly #s3Ios = new Map<string, { readonly settings: string; readonly io: S3TableIo }>();

  constructor(world: World, options: RestCatalogOptions, own: S3Settings) {
    this.#world = world;
    this.#client = new RestClient(world, options);
    this.#options = options;
    this.#s3 = own;
    this.url = this.#client.uri;
  }

  async load(name: TableName): Promise<LoadedTable | undefined> {
    const body = await this.#read(name);
    if (body === undefined) return undefined;
    const { metadata, version } = metadataIn(name, body);
    return { metadata, version, io: await this.#ioFor(name, metadata.location, body) };
  }

  async create(name: TableName, table: NewTable): Promise<void> {
    if ((await this.#createTable(name, table)) === 'no namespace') {
      await this.#createNamespaces(name.namespace);
      await this.#createTable(name, table);
    }
  }

  async commit(name: TableName, base: LoadedTable, change: TableChange): Promise<CommitOutcome> {
    const doing = 'commit to a table';
    const answer = await this.#client.send({
      method: 'POST',
      path: await this.#tablePath(name),
      doing,
      body: {
        identifier: { namespace: name.namespace, name: name.name },
        requirements: change.requirements,
        updates: change.updates as unknown as readonly Json[],
      },
    });
    if (answer.kind === 'lost') return { kind: 'unknown', cause: answer.cause ?? answer.why };
    if (answer.status === 409) return { kind: 'conflict' };
    if (answer.status === 404) throw noSuchTable(tableText(name), this.url);
    const body = this.#client.accepted(answer, doing);
    // The answer to a commit says nothing of keys.
    return { kind: 'done', table: { ...metadataIn(name, body), io: base.io } };
  }

  async #read(name: TableName): Promise<JsonObject | undefined> {
    const { s3 = {} } = this.#options;
    const headers = hasKeys(s3) ? {} : DELEGATION;
    return this.#client.read(await this.#tablePath(name), 'load a table', headers);
  }

  async #createTable(name: TableName, table: NewTable): Promise<'there' | 'no namespace'> {
    const doing = 'create a table';
    const answer = await this.#client.send({
      method: 'POST',
      path: `${await this.#namespacePath(name.namespace)}/tables`,
      doing,
      body: {
        name: name.name,
        schema: table.schema,
        'partition-spec': table.spec,
        properties: { 'format-version': '2', ...table.properties },
      },
    });
    if (answer.kind === 'lost') {
      throw catalogUnavailable(this.url, doing, answer.why, answer.cause);
    }
    if (answer.status === 404) return 'no namespace';
    // Another one was first.
    if (answer.status !== 409) this.#client.accepted(answer, doing);
    return 'there';
  }

  async #createNamespaces(namespace: readonly string[]): Promise<void> {
    const doing = 'create a namespace';
    for (let depth = 1; depth <= namespace.length; depth++) {
      const answer = await this.#client.send({
        method: 'POST',
        path: `${await this.#root()}/namespaces`,
        doing,
        body: { namespace: namespace.slice(0, depth), properties: {} },
      });
      if (answer.kind === 'lost') {
        throw catalogUnavailable(this.url, doing, answer.why, answer.cause);
      }
      if (answer.status !== 409) this.#client.accepted(answer, doing);
    }
  }

  async #ioFor(name: TableName, location: string, body: JsonObject): Promise<TableIo> {
    if (!isS3Location(location)) return this.#folderIo(location);
    const access = await this.#timed(location, body);
    const known = this.#buckets.get(location);
    if (known !== undefined) {
      known.offer(access);
      return known;
    }
    const renew = async (): Promise<TimedAccess> => {
      const again = await this.#read(name);
      if (again === undefined) throw noSuchTable(tableText(name), this.url);
      return this.#timed(location, again);
    };
    const io = new RenewedTableIo(access, renew, this.#world.clock);
    this.#buckets.set(location, io);
    return io;
  }

  async #timed(location: string, body: JsonObject): Promise<TimedAccess> {
    const { s3: said = {} } = this.#options;
    const { told } = await this.#configured();
    const { access, expiresAtMs, isSigner } = toldAccess(told, body, location);
    const joined = joinedAccess(access, said);
    if (isSigner && !hasKeys(joined)) throw signsOnly(this.url, location);
    const io = this.#s3Io(location, toS3Settings(joined, this.#s3));
    return { io, expiresAtMs: hasKeys(said) ? undefined : expiresAtMs };
  }

  #s3Io(location: string, s3: S3Settings): S3TableIo {
    const settings = JSON.stringify(s3);
    const known = this.#s3Ios.get(location);
    if (known?.settings === settings) return known.io;
    // The catalog decides which metadata is valid, and all names are drawn: no condition is needed.
    const io = new S3TableIo(s3, this.#world, location, 'by catalog');
    this.#s3Ios.set(location, { settings, io });
    return io;
  }

  #folderIo(location: string): FileTableIo {
    const { fs, random } = this.#world;
    const folder = localPath(location);
    if (folder === undefined) throw outsideTable(location, 'a disk or S3');
    const io = this.#folders.get(location) ?? new FileTableIo(fs, folder, random);
    this.#folders.set(location, io);
    return io;
  }

  async #tablePath({ namespace, name }: TableName): Promise<string> {
    return `${await this.#namespacePath(namespace)}/tables/${encodeURIComponent(name)}`;
  }

  async #namespacePath(namespace: readonly string[]): Promise<string> {
    const { separator } = await this.#configured();
    const path = namespace.map(encodeURIComponent).join(separator);
    return `${await this.#root()}/namespaces/${path}`;
  }

  async #root(): Promise<string> {
    const { prefix } = await this.#configured();
    return prefix === '' ? '/v1' : `/v1/${prefix}`;
  }

  #configured(): Promise<Config> {
    this.#config ??= this.#readConfig().catch((error: unknown) => {
      this.#config = undefined;
      throw error;
    });
    return this.#config;
  }

  async #readConfig(): Promise<Config> {
    const { warehouse, prefix } = this.#options;
    const query = warehouse === undefined ? '' : `?warehouse=${encodeURIComponent(warehouse)}`;
    const body = (await this.#client.read(`/v1/config${query}`, 'read the configuration')) ?? {};
    const defaults = textsOf(body['defaults']);
    const overrides = textsOf(body['overrides']);
    const of = (name: string, own?: string) => overrides[name] ?? own ?? defaults[name];
    return {
      prefix: of('prefix', prefix) ?? '',
      separator: of('namespace-separator') ?? '%1F',
      told: { ...defaults, ...overrides },
    };
  }
}

function metadataIn(name: TableName, body: JsonObject): Omit<LoadedTable, 'io'> {
  const metadata = checkMetadata(body['metadata'], tableText(name));
  const version = body['metadata-location'];
  if (typeof version !== 'string') {
    throw corruptTable(tableText(name), 'the catalog names no file of metadata');
  }
  return { metadata, version };
}
