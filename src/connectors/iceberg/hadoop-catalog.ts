/**
 * A catalog that is a folder, as Hadoop's: `<warehouse>/<namespace>/<table>/metadata/v7.metadata.json` is
 * the seventh version of a table, and the highest one is valid. Who makes the next one first has changed
 * the table: a file is only ever created, never renamed over another.
 *
 * `version-hint.text` helps others to find the highest; it may be old, or missing.
 */
import { isAbsolute, resolve } from 'node:path';
import { randomHex } from '../../common/random.ts';
import { EngineError } from '../../common/errors.ts';
import type { World } from '../../contracts/source.ts';
import { REFUSED_WRITE } from '../../storage/storage-errors.ts';
import {
  type Catalog,
  type CommitOutcome,
  type IcebergCatalog,
  type LoadedTable,
  type NewTable,
  type TableName,
} from './catalog.ts';
import { badIcebergOption } from './errors.ts';
import { FileTableIo, localPath } from './file-table-io.ts';
import { printJson } from './lossless-json.ts';
import { isS3Location, s3Access, type S3Access } from './s3-access.ts';
import { S3TableIo } from './s3-table-io.ts';
import { changed, type TableChange } from './table-change.ts';
import type { TableIo } from './table-io.ts';
import { flagOf, parseMetadata, type TableMetadata } from './table-metadata.ts';

const NO_SNAPSHOT = -1;
const FIRST_PARTITION_ID = 1000;

export interface HadoopCatalogOptions {
  /** A folder of this machine, or `s3://bucket/folder`. */
  readonly warehouse: string;
  /** How S3 is reached, where it is not as the engine's settings say. */
  readonly s3?: S3Access;
}

/**
 * A folder as a catalog: `<warehouse>/<namespace>/<table>`, as Hadoop's catalog has it. One process or
 * many may write to it. On S3 the store must know conditional writes.
 *
 * @throws {EngineError} `ICE-001`, `STO-026` (`invalid`); those of the settings, where it is on S3.
 */
export function hadoop({ warehouse, s3 }: HadoopCatalogOptions): IcebergCatalog {
  if (isS3Location(warehouse)) {
    // Read now: while a job is built they are those it is built with.
    const access = s3Access(s3);
    const { url } = S3TableIo.addressOf(warehouse);
    return {
      url,
      connect: (world) =>
        new HadoopCatalog(world, new S3TableIo(access, world, warehouse, 'exclusive')),
    };
  }
  const scheme = /^([a-z][a-z0-9+.-]*):/.exec(warehouse)?.[1];
  if (warehouse === '' || (scheme !== undefined && scheme !== 'file')) {
    throw badIcebergOption('warehouse', warehouse, 'a folder, "/var/lake" or "s3://bucket/lake"');
  }
  const path = localPath(warehouse) ?? warehouse;
  const folder = isAbsolute(path) ? path : resolve(path);
  return {
    url: `file://${folder}`,
    connect: (world) => new HadoopCatalog(world, new FileTableIo(world.fs, folder, world.random)),
  };
}

export class HadoopCatalog implements Catalog {
  readonly url: string;
  readonly #world: World;
  readonly #io: TableIo;

  constructor(world: World, io: TableIo) {
    this.#world = world;
    this.#io = io;
    this.url = io.root;
  }

  async load(name: TableName): Promise<LoadedTable | undefined> {
    const folder = this.#folderOf(name);
    // A version may be deleted between the search for the highest and the look into it.
    for (;;) {
      const version = await this.#latest(folder);
      if (version === 0) return undefined;
      const location = fileOf(folder, version);
      const bytes = await this.#io.read(location);
      if (bytes === undefined) continue;
      const metadata = parseMetadata(new TextDecoder().decode(bytes), location);
      return { metadata, version: String(version), io: this.#io };
    }
  }

  async create(name: TableName, table: NewTable): Promise<void> {
    const folder = this.#folderOf(name);
    const metadata: TableMetadata = {
      'format-version': 2,
      'table-uuid': this.#uuid(),
      location: folder,
      'last-sequence-number': 0,
      'last-updated-ms': this.#world.clock.wallMs(),
      'last-column-id': table.lastColumnId,
      'current-schema-id': table.schema['schema-id'],
      schemas: [table.schema],
      'default-spec-id': table.spec['spec-id'],
      'partition-specs': [table.spec],
      'last-partition-id': Math.max(
        FIRST_PARTITION_ID - 1,
        ...table.spec.fields.map((field) => field['field-id']),
      ),
      'default-sort-order-id': 0,
      'sort-orders': [{ 'order-id': 0, fields: [] }],
      properties: table.properties,
      'current-snapshot-id': NO_SNAPSHOT,
      refs: {},
      snapshots: [],
      statistics: [],
      'partition-statistics': [],
      'snapshot-log': [],
      'metadata-log': [],
    };
    if ((await this.#latest(folder)) > 0) return;
    await this.#io.create(fileOf(folder, 1), bytesOf(metadata));
    await this.#hint(folder, 1);
  }

  async commit(name: TableName, base: LoadedTable, change: TableChange): Promise<CommitOutcome> {
    const folder = this.#folderOf(name);
    const version = Number(base.version) + 1;
    const previous = fileOf(folder, version - 1);
    const nowMs = this.#world.clock.wallMs();
    const metadata = changed(base.metadata, change.updates, nowMs, previous);
    const location = fileOf(folder, version);
    try {
      const made = await this.#io.create(location, bytesOf(metadata));
      if (made === 'taken') return { kind: 'conflict' };
    } catch (cause) {
      if (!(cause instanceof EngineError) || cause.kind !== 'unavailable') throw cause;
      if (cause.code === REFUSED_WRITE) throw cause;
      return { kind: 'unknown', cause };
    }
    if (await this.#isStale(folder, version)) {
      await this.#io.delete([location]);
      return { kind: 'conflict' };
    }
    await this.#hint(folder, version);
    await this.#deleteOld(base.metadata, metadata);
    return { kind: 'done', table: { metadata, version: String(version), io: this.#io } };
  }

  /**
   * Whether the version that was just made is one that had been there and was deleted as old: the base was
   * loaded a hundred versions ago.
   */
  async #isStale(folder: string, version: number): Promise<boolean> {
    const hinted = await this.#hinted(folder);
    if (hinted <= version) return false;
    // A next one has been made of this one; or the hint is wrong.
    if (await this.#io.exists(fileOf(folder, version + 1))) return false;
    return this.#io.exists(fileOf(folder, hinted));
  }

  async #latest(folder: string): Promise<number> {
    let version = await this.#hinted(folder);
    if (version > 0 && !(await this.#io.exists(fileOf(folder, version)))) version = 0;
    if (version === 0) version = await this.#highestListed(folder);
    while (await this.#io.exists(fileOf(folder, version + 1))) version++;
    return version;
  }

  async #highestListed(folder: string): Promise<number> {
    let highest = 0;
    for await (const { location } of this.#io.list(`${folder}/metadata`)) {
      const found = /\/v(\d+)\.metadata\.json$/.exec(location);
      if (found !== null) highest = Math.max(highest, Number(found[1]));
    }
    return highest;
  }

  async #hinted(folder: string): Promise<number> {
    const bytes = await this.#io.read(hintOf(folder));
    const version = Number(new TextDecoder().decode(bytes).trim());
    return Number.isSafeInteger(version) && version > 0 ? version : 0;
  }

  /** Others look at the hint first; without it, or with an old one, the table is right all the same. */
  async #hint(folder: string, version: number): Promise<void> {
    try {
      const hinted = await this.#hinted(folder);
      if (hinted >= version && (await this.#io.exists(fileOf(folder, hinted)))) return;
      await this.#io.replace(hintOf(folder), new TextEncoder().encode(String(version)));
    } catch {
      // The next commit writes it again.
    }
  }

  async #deleteOld(before: TableMetadata, after: TableMetadata): Promise<void> {
    if (!flagOf(after, 'write.metadata.delete-after-commit.enabled', false)) return;
    const kept = new Set(after['metadata-log']?.map((entry) => entry['metadata-file']));
    const gone = (before['metadata-log'] ?? [])
      .map((entry) => entry['metadata-file'])
      .filter((location) => !kept.has(location));
    // What stays is deleted by nobody, and is little.
    if (gone.length > 0) await this.#io.delete(gone).catch(() => undefined);
  }

  #folderOf({ namespace, name }: TableName): string {
    return [this.#io.root, ...namespace, name].join('/');
  }

  #uuid(): string {
    const hex = randomHex(this.#world.random, 32);
    const variant = (8 + (Number.parseInt(hex.charAt(16), 16) % 4)).toString(16);
    return [
      hex.slice(0, 8),
      hex.slice(8, 12),
      `4${hex.slice(13, 16)}`,
      `${variant}${hex.slice(17, 20)}`,
      hex.slice(20),
    ].join('-');
  }
}

const fileOf = (folder: string, version: number): string =>
  `${folder}/metadata/v${version}.metadata.json`;

const hintOf = (folder: string): string => `${folder}/metadata/version-hint.text`;

function bytesOf(metadata: TableMetadata): Uint8Array {
  return new TextEncoder().encode(printJson(metadata));
}
