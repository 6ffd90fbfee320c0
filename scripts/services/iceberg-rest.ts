/** Apache Iceberg in Java: its REST catalog as a server, and a reader of tables. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { cached, freePort, runStep, type Service, startService } from './service.ts';

const SOURCES = fileURLToPath(new URL('iceberg-rest/', import.meta.url));
const PROGRAMS = ['RestMain.java', 'ReadTable.java', 'WatchTables.java'];

export interface IcebergRest extends Service {
  /** `http://127.0.0.1:…` */
  readonly uri: string;
  /** The folder of its tables. */
  readonly warehouse: string;
}

/**
 * Starts a catalog on a free port of loopback. It goes on from what the folder holds.
 *
 * @param port Default: a free one. For one that is started again in the same folder.
 */
export async function startIcebergRest(folder: string, port?: number): Promise<IcebergRest> {
  const classes = icebergClassPath();
  const warehouse = path.join(folder, 'warehouse');
  fs.mkdirSync(warehouse, { recursive: true });
  const listening = port ?? (await freePort());
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
      `file://${warehouse}`,
    ],
    folder,
    ready: (log) => log.includes(`READY ${listening}`),
  });
  return { ...service, uri: `http://127.0.0.1:${listening}`, warehouse };
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

/** A program for `LineProcess` that looks at tables again and again: see `WatchTables.java`. */
export function watchTables(uri: string): readonly [command: string, ...args: string[]] {
  const program = 'org.apache.iceberg.rest.WatchTables';
  return ['java', '-Xmx1g', '-XX:+UseSerialGC', '-cp', icebergClassPath(), program, uri];
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
