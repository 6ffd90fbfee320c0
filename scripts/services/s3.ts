/**
 * An S3 server: versitygw over a folder of this machine. An object appears by one link of its file, with its
 * metadata in the file's extended attributes, so that a killed server leaves whole objects only.
 */
import path from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import {
  cached,
  freePort,
  runStep,
  type Service,
  type ServiceProcess,
  startService,
} from './service.ts';

const VERSION = '1.8.0';
const ACCESS_KEY = 'test';
const SECRET_KEY = 'testtest123';
const REGION = 'us-east-1';
const TRIES_MAX = 3;

export interface S3Service extends Service {
  /** `http://127.0.0.1:…` */
  readonly endpoint: string;
  readonly port: number;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
}

export interface StartS3Options {
  /** Where its objects and its log are; what is there already is served. */
  readonly folder: string;
  /** The one that it had before it was killed. Default: a free one. */
  readonly port?: number;
  /** Whether there may be further accounts: see `addAccount`. */
  readonly accounts?: boolean;
}

/** Starts a server; after a kill, the same folder and port bring it back as it was. */
export async function startS3({
  folder,
  port,
  accounts = false,
}: StartS3Options): Promise<S3Service> {
  const command = s3Binary();
  const iam = path.join(folder, 'accounts');
  if (accounts) runStep('mkdir', ['-p', iam]);
  const known = accounts ? ['--iam-dir', iam, '--iam-cache-disable'] : [];
  runStep('mkdir', ['-p', path.join(folder, 'buckets'), path.join(folder, 'meta')]);
  for (let tries = 1; ; tries += 1) {
    const at = port ?? (await freePort());
    try {
      return await startAt(command, { folder, port: at, accounts: known });
    } catch (error) {
      // Another process took the port since.
      if (port !== undefined || tries === TRIES_MAX) throw error;
    }
  }
}

/** Makes a bucket; does nothing if it is there. */
export async function makeBucket(server: S3Service, name: string): Promise<void> {
  const { endpoint, region, accessKey, secretKey } = server;
  const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey };
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
  try {
    await client.send(new CreateBucketCommand({ Bucket: name }));
  } catch (error) {
    if (!(error instanceof Error && error.name.startsWith('BucketAlready'))) throw error;
  } finally {
    client.destroy();
  }
}

export interface S3Keys {
  readonly accessKey: string;
  readonly secretKey: string;
}

/** An account that may do all; without `accounts: true` the server knows none but its own. */
export function addAccount(server: S3Service, keys: S3Keys): void {
  const { accessKey, secretKey } = keys;
  admin(server, ['create-user', '--access', accessKey, '--secret', secretKey, '--role', 'admin']);
}

/** Its keys are refused from now on. */
export function removeAccount(server: S3Service, accessKey: string): void {
  admin(server, ['delete-user', '--access', accessKey]);
}

function admin({ endpoint, accessKey, secretKey }: S3Service, args: readonly string[]): void {
  const own = ['--access', accessKey, '--secret', secretKey, '--endpoint-url', endpoint];
  runStep(s3Binary(), ['admin', ...own, ...args]);
}

/** The settings of a job that keeps its checkpoints there, as `-D` takes them. */
export function s3Settings(server: S3Service): Readonly<Record<string, string>> {
  return {
    's3.endpoint': server.endpoint,
    's3.access-key': server.accessKey,
    's3.secret-key': server.secretKey,
    's3.path.style.access': 'true',
  };
}

/** The same as variables, as programs have them. */
export function s3Variables(server: S3Service): Readonly<Record<string, string>> {
  return {
    S3_ENDPOINT: server.endpoint,
    AWS_ACCESS_KEY_ID: server.accessKey,
    AWS_SECRET_ACCESS_KEY: server.secretKey,
    S3_PATH_STYLE_ACCESS: 'true',
  };
}

interface Place {
  readonly folder: string;
  readonly port: number;
  /** Options that say where accounts are. */
  readonly accounts: readonly string[];
}

async function startAt(command: string, place: Place): Promise<S3Service> {
  const { folder, port } = place;
  const endpoint = `http://127.0.0.1:${port}`;
  const started = (store: readonly string[]): Promise<Service> =>
    startService(gateway(command, { ...place, store }));
  const facts = { endpoint, port, accessKey: ACCESS_KEY, secretKey: SECRET_KEY, region: REGION };
  try {
    return { ...(await started([])), ...facts };
  } catch (error) {
    const isWithoutAttributes = error instanceof TypeError && /xattr/i.test(error.message);
    if (!isWithoutAttributes) throw error;
    // A file system without extended attributes, such as an old tmpfs.
    return { ...(await started(['--sidecar', path.join(folder, 'meta')])), ...facts };
  }
}

function gateway(
  command: string,
  { folder, port, accounts, store }: Place & { readonly store: readonly string[] },
): ServiceProcess {
  return {
    command,
    args: [
      ...['--port', `127.0.0.1:${port}`, '--region', REGION, '--quiet', ...accounts],
      ...['posix', ...store, path.join(folder, 'buckets')],
    ],
    folder,
    env: { ROOT_ACCESS_KEY: ACCESS_KEY, ROOT_SECRET_KEY: SECRET_KEY },
    ready: async () => {
      try {
        // Without a signature it refuses, which only a server that is ready does.
        await fetch(`http://127.0.0.1:${port}/`);
        return true;
      } catch {
        return false;
      }
    },
  };
}

function s3Binary(): string {
  const folder = cached(`s3/versitygw-${VERSION}`, (fresh) => {
    runStep('go', ['install', `github.com/versity/versitygw/cmd/versitygw@v${VERSION}`], {
      env: { GOBIN: fresh, GOFLAGS: '-trimpath' },
    });
  });
  return path.join(folder, 'versitygw');
}
