/** Where tables are known by name, and where the word stands which of their metadata is valid. */
import type { World } from '../../contracts/source.ts';
import type { TableSchema } from './iceberg-type.ts';
import type { PartitionSpec } from './partition-fields.ts';
import type { TableChange } from './table-change.ts';
import type { TableIo } from './table-io.ts';
import type { TableMetadata } from './table-metadata.ts';

/** Made by `hadoop` or `rest`; connects when the job runs. */
export interface IcebergCatalog {
  /** For the plan and for people. */
  readonly url: string;
  /** @internal */
  connect(world: World): Catalog;
}

export interface TableName {
  /** Outermost first. */
  readonly namespace: readonly string[];
  readonly name: string;
}

export interface LoadedTable {
  readonly metadata: TableMetadata;
  /** The file that holds it, or the catalog's word for its version. */
  readonly version: string;
  readonly io: TableIo;
}

export interface NewTable {
  readonly schema: TableSchema;
  readonly lastColumnId: number;
  readonly spec: PartitionSpec;
  readonly properties: Readonly<Record<string, string>>;
}

/**
 * What became of a change. `conflict`: the table was not as expected, and nothing was changed; or it was
 * changed by an earlier try of this very request. `unknown`: it may have been made, or may yet be.
 */
export type CommitOutcome =
  | { readonly kind: 'done'; readonly table: LoadedTable }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'unknown'; readonly cause: unknown };

export interface Catalog {
  readonly url: string;
  /** Undefined if there is no such table. */
  load(name: TableName): Promise<LoadedTable | undefined>;
  /** Makes the table, and the namespaces that it is in, unless it is there. */
  create(name: TableName, table: NewTable): Promise<void>;
  commit(name: TableName, base: LoadedTable, change: TableChange): Promise<CommitOutcome>;
}

export function tableText({ namespace, name }: TableName): string {
  return [...namespace, name].join('.');
}
