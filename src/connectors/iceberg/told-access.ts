/**
 * What a REST catalog says of how a table's files are reached: for all tables in its configuration, with a
 * table in `config`, and in `storage-credentials`, of which the longest prefix of the location counts.
 */
import { isJsonObject, type Json, type JsonObject } from './lossless-json.ts';
import type { S3Access } from './s3-access.ts';

/** By the names that Iceberg's S3FileIO gives them. */
export type Told = Readonly<Record<string, string | undefined>>;

export interface ToldAccess {
  readonly access: S3Access;
  /** When the keys end, where the catalog says it. */
  readonly expiresAtMs: number | undefined;
  /** The catalog offers to sign each request itself. */
  readonly isSigner: boolean;
}

/** @param common Of the catalog's configuration. @param table An answer that holds a table. */
export function toldAccess(common: Told, table: JsonObject, location: string): ToldAccess {
  const of: Told = {
    ...common,
    ...textsOf(table['config']),
    ...credentialFor(table['storage-credentials'], location),
  };
  const expiresAtMs = Number(of['s3.session-token-expires-at-ms'] ?? of['expiration-time']);
  const pathStyle = of['s3.path-style-access'];
  const access = {
    endpoint: of['s3.endpoint'],
    region: of['client.region'] ?? of['s3.region'],
    accessKey: of['s3.access-key-id'],
    secretKey: of['s3.secret-access-key'],
    sessionToken: of['s3.session-token'],
    pathStyleAccess: pathStyle === undefined ? undefined : pathStyle.toLowerCase() === 'true',
  };
  return {
    access: withoutUndefined(access),
    expiresAtMs: expiresAtMs > 0 ? expiresAtMs : undefined,
    isSigner: of['s3.remote-signing-enabled']?.toLowerCase() === 'true',
  };
}

/** What a user says goes before what a catalog says; the keys are one thing. */
export function joinedAccess(told: S3Access, own: S3Access): S3Access {
  if (!hasKeys(own)) return { ...told, ...own };
  const { accessKey: _a, secretKey: _s, sessionToken: _t, ...withoutKeys } = told;
  return { ...withoutKeys, ...own };
}

export function hasKeys({ accessKey, secretKey, sessionToken }: S3Access): boolean {
  return accessKey !== undefined || secretKey !== undefined || sessionToken !== undefined;
}

export function textsOf(json: Json | undefined): Told {
  if (!isJsonObject(json)) return {};
  const texts = Object.entries(json).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return Object.fromEntries(texts);
}

function credentialFor(credentials: Json | undefined, location: string): Told {
  if (!Array.isArray(credentials)) return {};
  let best: { readonly prefix: string; readonly config: Json | undefined } | undefined;
  for (const each of credentials as readonly Json[]) {
    if (!isJsonObject(each) || typeof each['prefix'] !== 'string') continue;
    const { prefix, config } = each as { prefix: string; config?: Json };
    if (!samePlace(location).startsWith(samePlace(prefix))) continue;
    if (best === undefined || prefix.length > best.prefix.length) best = { prefix, config };
  }
  return textsOf(best?.config);
}

/** A credential for `s3` is one for `s3://…` and `s3a://…`. */
function samePlace(location: string): string {
  return location.replace(/^s3[an](?=:|$)/i, 's3');
}

function withoutUndefined(access: {
  [Name in keyof S3Access]: S3Access[Name] | undefined;
}): S3Access {
  return Object.fromEntries(Object.entries(access).filter(([, value]) => value !== undefined));
}
