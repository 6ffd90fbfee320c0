/** Flink's own command line client, as its Python packages bring it, kept outside the repository. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { cached, runStep } from '../../scripts/services/service.ts';

export const FLINK_VERSION = '2.2.1';

/** Long enough to fetch some 250 MB. */
export const FLINK_SETUP_MS = 900_000;

/** Takes of the package what the client needs; it holds nothing that depends on the machine. */
const UNPACK = `
import glob, sys, zipfile
wheel, = glob.glob(sys.argv[1] + '/apache_flink_libraries-*.whl')
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        if name.startswith(('pyflink/lib/flink-dist-', 'pyflink/lib/log4j-')):
            archive.extract(name, sys.argv[2])
`;

/** The folder of the client's jars. */
export function flinkClient(): string {
  const folder = cached(`flink-client-${FLINK_VERSION}`, (fresh) => {
    const wheels = `${fresh}/wheels`;
    const pip = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps'];
    runStep('python3', [...pip, '-d', wheels, `apache-flink-libraries==${FLINK_VERSION}`]);
    runStep('python3', ['-c', UNPACK, wheels, fresh]);
    fs.rmSync(wheels, { recursive: true });
  });
  return path.join(folder, 'pyflink', 'lib');
}

export interface ClientRun {
  readonly code: number;
  /** Both streams: the client tells problems on either. */
  readonly output: string;
}

/** Runs the client against a service, beside this process. */
export function runFlink(
  address: string,
  [action = '', ...args]: readonly string[],
  {
    folder,
    env = {},
  }: { readonly folder: string; readonly env?: Readonly<Record<string, string>> },
): Promise<ClientRun> {
  const conf = path.join(folder, 'conf');
  fs.mkdirSync(conf, { recursive: true });
  fs.writeFileSync(path.join(conf, 'config.yaml'), 'parallelism.default: 1\n');
  const java = ['-cp', `${flinkClient()}/*`, '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'];
  const { host } = new URL(address);
  const all = [...java, 'org.apache.flink.client.cli.CliFrontend', action, '-m', host, ...args];
  return new Promise((resolve, reject) => {
    const options = { env: { ...process.env, FLINK_CONF_DIR: conf, ...env } };
    execFile('java', all, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      if (typeof code === 'number') resolve({ code, output: stdout + stderr });
      else reject(error ?? new TypeError('no exit code'));
    });
  });
}
