/**
 * Names of a table's files. The names of what a writer makes hold the sink's uid and the writer's id, so
 * that those of dead attempts are known, and none is ever made twice.
 *
 * ```text
 * <table>/data/<partition>/<uid>-<writer>-<number>.parquet
 * <table>/metadata/<uid>-<writer>-<checkpoint>-m0.avro        a writer's manifest
 * <table>/metadata/<uid>-<snapshot>-<nonce>-merged.avro       manifests in one
 * <table>/metadata/snap-<snapshot>-<nonce>.avro               a manifest list
 * ```
 */
import { createHash } from 'node:crypto';

const UID_LENGTH_MAX = 80;

export interface WriterName {
  readonly uid: string;
  readonly writerId: string;
}

export function dataFileLocation(
  table: string,
  partition: string,
  writer: WriterName,
  sequence: number,
): string {
  const folder = partition === '' ? '' : `${partition}/`;
  return `${table}/data/${folder}${prefixOf(writer)}-${sequence}.parquet`;
}

export function manifestLocation(table: string, writer: WriterName, checkpointId: number): string {
  return `${table}/metadata/${prefixOf(writer)}-${checkpointId}-m0.avro`;
}

export function mergedLocation(
  table: string,
  uid: string,
  snapshot: bigint,
  nonce: string,
): string {
  return `${table}/metadata/${safeUid(uid)}-${snapshot}-${nonce}-merged.avro`;
}

export function manifestListLocation(table: string, snapshot: bigint, nonce: string): string {
  return `${table}/metadata/snap-${snapshot}-${nonce}.avro`;
}

/** Who made a data file or a manifest; undefined for files of other sinks and of others. */
export function writerOf(location: string, uid: string): string | undefined {
  const name = location.slice(location.lastIndexOf('/') + 1);
  const prefix = `${safeUid(uid)}-`;
  if (!name.startsWith(prefix)) return undefined;
  return /^(.+)-\d+(?:\.parquet|-m0\.avro)$/.exec(name.slice(prefix.length))?.[1];
}

function prefixOf({ uid, writerId }: WriterName): string {
  return `${safeUid(uid)}-${writerId}`;
}

/** File systems take no names of more than 255 bytes. */
function safeUid(uid: string): string {
  const name = encodeURIComponent(uid);
  if (name.length <= UID_LENGTH_MAX) return name;
  const hash = createHash('sha256').update(uid).digest('hex').slice(0, 16);
  return `${name.slice(0, UID_LENGTH_MAX).replace(/%.?$/, '')}~${hash}`;
}
