/** Apache Iceberg in Java: its REST catalog as a server, and a reader of tables. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { S3Service } from './s3.ts';
import { cached, freePort, runStep, type Service, startService } from './service.ts';

const SOURCES = fileURLToPath(new URL('iceberg-rest/', import.meta.url));
const PROGRAMS = ['RestMain.java', 'ReadTable.java'];

export interface IcebergRest extends Service {
  /** `http://127.0.0.1:…` */
  readonly uri: string;
  /** Where its tables are: a folder, or an address in a bucket. */
  readonly warehouse: string;
  /**
   * Says what clients are told from now on: of `config` all, of `table` and `credential` those who load a
   * table and ask for delegated access.
   */
  tell(told: Told): void;
}

export interface Told {
  readonly config?: Readonly<Record<string, string>>;
  readonly table?: Readonly<Record<string, string>>;
  readonly credential?: Readonly<Record<string, string>>;
}

export interface IcebergRestOptions {
  /** Goes on from what it holds. */
  readonly folder: string;
  /** Default: a free one. For one that is started again in the same folder. */
  readonly port?: number;
  /** Tables in a bucket, which is there, instead of the folder. The catalog has the server's own keys. */
  readonly lake?: { readonly server: S3Service; readonly bucket: string };
}

/** Starts a catalog on a port of loopback. */
export async function startIcebergRest({
  folder,
  port,
  lake,
}: IcebergRestOptions): Promise<IcebergRest> {
  const classes = icebergClassPath();
  const warehouse =
    lake === undefined ? path.join(folder, 'warehouse') : `s3://${lake.bucket}/rest`;
  fs.mkdirSync(path.join(folder, 'warehouse'), { recursive: true });
  const listening = port ?? (await freePort());
  const telling = path.join(folder, 'told.properties');
  const tell = (told: Told): void => {
    const lines = (['config', 'table', 'credential'] as const).flatMap((kind) =>
      Object.entries(told[kind] ?? {}).map(([name, value]) => `${kind}.${name}=${value}\n`),
    );
    // The catalog reads it at any time.
    fs.writeFileSync(`${telling}.new`, lines.join(''));
    fs.renameSync(`${telling}.new`, telling);
  };
  if (!fs.existsSync(telling)) tell({});
  const service = await startService({
    command: 'java',
    args: [
      '-Xmx512m',
      '-XX:TieredStopAtLevel=1',
      '-cp',
      classes,
      'org.apache.iceberg.rest.RestMain',
      String(listening),
      path.join(folder, 'catalog.db'),
      lake === undefined ? `file://${warehouse}` : warehouse,
      telling,
      ...(lake === undefined ? [] : propertiesOf(lake.server)),
    ],
    folder,
    ready: (log) => log.includes(`READY ${listening}`),
  });
  return { ...service, uri: `http://127.0.0.1:${listening}`, warehouse, tell };
}

/** How a table's files are reached, in the words of Iceberg: for a catalog to hand out. */
export function toldOf(
  server: S3Service,
  keys: { readonly accessKey: string; readonly secretKey: string } = server,
): Record<string, string> {
  return {
    's3.endpoint': server.endpoint,
    's3.path-style-access': 'true',
    'client.region': server.region,
    // Of PyIceberg.
    's3.region': server.region,
    's3.access-key-id': keys.accessKey,
    's3.secret-access-key': keys.secretKey,
  };
}

function propertiesOf(server: S3Service): string[] {
  const properties = {
    ...toldOf(server),
    'io-impl': 'org.apache.iceberg.aws.s3.S3FileIO',
    's3.client-factory-impl': 'org.apache.iceberg.aws.s3.DefaultS3FileIOAwsClientFactory',
    'http-client.type': 'urlconnection',
  };
  return Object.entries(properties).map(([name, value]) => `${name}=${value}`);
}

/** What Java's Iceberg sees in a table: see `ReadTable.java` for the arguments and the lines. */
export function readWithJava(args: readonly string[]): string[][] {
  const program = 'org.apache.iceberg.rest.ReadTable';
  const said = runStep('java', [
    '-Xmx512m',
    '-XX:TieredStopAtLevel=1',
    '-cp',
    icebergClassPath(),
    program,
    ...args,
  ]);
  return said
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'));
}

/** Fetches about 100 MB from Maven the first time. */
function icebergClassPath(): string {
  const hash = createHash('sha256');
  for (const name of ['pom.xml', ...PROGRAMS]) hash.update(fs.readFileSync(SOURCES + name));
  const folder = cached(`iceberg-java-${hash.digest('hex').slice(0, 12)}`, (fresh) => {
    fs.copyFileSync(`${SOURCES}pom.xml`, path.join(fresh, 'pom.xml'));
    const lib = path.join(fresh, 'lib');
    runStep('mvn', ['-q', '-B', 'dependency:copy-dependencies', `-DoutputDirectory=${lib}`], {
      cwd: fresh,
    });
    const programs = PROGRAMS.map((name) => SOURCES + name);
    runStep('javac', ['-cp', `${lib}/*`, '-d', path.join(fresh, 'classes'), ...programs]);
  });
  return `${folder}/classes:${folder}/lib/*`;
}
