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
import { badIcebergOption, catalogUnavailable, corruptTable, outsideTable } from './errors.ts';
import { FileTableIo, localPath } from './file-table-io.ts';
import { isJsonObject, type Json, type JsonObject } from './lossless-json.ts';
import { RestClient, type RestAccess } from './rest-client.ts';
import { isS3Location, s3Access, type S3Access } from './s3-access.ts';
import { S3TableIo } from './s3-table-io.ts';
import type { TableChange } from './table-change.ts';
import type { TableIo } from './table-io.ts';
import { checkMetadata } from './table-metadata.ts';

export interface RestCatalogOptions extends RestAccess {
  /** Which of the service's warehouses, where it has several. */
  readonly warehouse?: string;
  /** Between `/v1` and the rest of a path. Default: what the service says. */
  readonly prefix?: string;
  /** How S3 is reached where tables lie on it and it is not as the engine's settings say. */
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
  const access = s3Access(options.s3);
  return { url: options.uri, connect: (world) => new RestCatalog(world, options, access) };
}

interface Config {
  readonly prefix: string;
  readonly separator: string;
}

export class RestCatalog implements Catalog {
  readonly url: string;
  readonly #world: World;
  readonly #client: RestClient;
  readonly #options: RestCatalogOptions;
  readonly #s3: S3Settings;
  #config: Promise<Config> | undefined;
  /** One for each place, for what it remembers of its folders. */
  readonly #ios = new Map<string, TableIo>();

  constructor(world: World, options: RestCatalogOptions, s3: S3Settings) {
    this.#world = world;
    this.#client = new RestClient(world, options);
    this.#options = options;
    this.#s3 = s3;
    this.url = this.#client.uri;
  }

  async load(name: TableName): Promise<LoadedTable | undefined> {
    const path = await this.#tablePath(name);
    const body = await this.#client.read(path, 'load a table');
    return body && this.#loaded(name, body);
  }

  async create(name: TableName, table: NewTable): Promise<void> {
    if ((await this.#createTable(name, table)) === 'no namespace') {
      await this.#createNamespaces(name.namespace);
      await this.#createTable(name, table);
    }
  }

  async commit(name: TableName, _base: LoadedTable, change: TableChange): Promise<CommitOutcome> {
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
    const body = this.#client.accepted(answer, doing);
    return { kind: 'done', table: this.#loaded(name, { config: {}, ...body }) };
  }

  #loaded(name: TableName, body: JsonObject): LoadedTable {
    const metadata = checkMetadata(body['metadata'], tableText(name));
    const version = body['metadata-location'];
    if (typeof version !== 'string') {
      throw corruptTable(tableText(name), 'the catalog names no file of metadata');
    }
    return { metadata, version, io: this.#ioFor(metadata.location) };
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

  #ioFor(location: string): TableIo {
    const known = this.#ios.get(location);
    if (known !== undefined) return known;
    const io = this.#newIo(location);
    this.#ios.set(location, io);
    return io;
  }

  #newIo(location: string): TableIo {
    const world = this.#world;
    // The catalog decides which metadata is valid, and all names are drawn: no condition is needed.
    if (isS3Location(location)) return new S3TableIo(this.#s3, world, location, 'by catalog');
    const folder = localPath(location);
    if (folder === undefined) throw outsideTable(location, 'a disk or S3');
    return new FileTableIo(world.fs, folder, world.random);
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
    return { prefix: of('prefix', prefix) ?? '', separator: of('namespace-separator') ?? '%1F' };
  }
}

function textsOf(json: Json | undefined): Readonly<Record<string, string | undefined>> {
  if (!isJsonObject(json)) return {};
  const texts = Object.entries(json).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return Object.fromEntries(texts);
}
