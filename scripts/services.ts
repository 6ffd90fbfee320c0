// Real servers of this machine, for tests by hand: `npm run services -- up s3 kafka`, `… status`, `… down`.
// They run until `down`, each from a process of its own, and keep what they hold in
// `<cache>/tidemark/services/<name>`. A new service is one line in SERVICES.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { cacheFolder, SERVICE_SETUP_MS, type Service } from './services/service.ts';

interface Running {
  readonly service: Service;
  /** What a user needs to reach it. */
  readonly facts: Readonly<Record<string, string | number>>;
  /** The same for the engine, as variables. */
  readonly env?: Readonly<Record<string, string>>;
}

/** By name: starts it in a folder. Imported when it is asked for. */
const SERVICES: Readonly<Record<string, (folder: string) => Promise<Running>>> = {
  s3: async (folder) => {
    const { makeBucket, startS3 } = await import('./services/s3.ts');
    const service = await startS3({ folder });
    await makeBucket(service, BUCKET);
    const { endpoint, accessKey, secretKey, region } = service;
    return { service, facts: { endpoint, accessKey, secretKey, region, bucket: BUCKET } };
  },
  kafka: async (folder) => {
    const { startKafka } = await import('./services/kafka.ts');
    const service = await startKafka({ folder });
    return { service, facts: { bootstrap: service.bootstrap } };
  },
  'schema-registry': async (folder) => {
    const { startSchemaRegistry } = await import('./services/schema-registry.ts');
    const service = await startSchemaRegistry(folder);
    return { service, facts: { url: service.url } };
  },
  'iceberg-rest': async (folder) => {
    const { startIcebergRest } = await import('./services/iceberg-rest.ts');
    const service = await startIcebergRest({ folder });
    return { service, facts: { uri: service.uri } };
  },
  'iceberg-s3': icebergOnS3,
};

/** A catalog whose tables are in a bucket, and that hands out the keys: both servers as one. */
async function icebergOnS3(folder: string): Promise<Running> {
  const { makeBucket, startS3 } = await import('./services/s3.ts');
  const { startIcebergRest, toldOf } = await import('./services/iceberg-rest.ts');
  const server = await startS3({ folder: path.join(folder, 's3') });
  await makeBucket(server, BUCKET);
  const catalog = await startIcebergRest({
    folder: path.join(folder, 'catalog'),
    lake: { server, bucket: BUCKET },
  });
  // All of it with each table: DuckDB looks nowhere else.
  catalog.tell({ table: toldOf(server) });
  const stop = async (): Promise<void> => {
    await catalog.stop();
    await server.stop();
  };
  const { endpoint, accessKey, secretKey, region } = server;
  return {
    service: { ...catalog, stop },
    facts: { uri: catalog.uri, warehouse: catalog.warehouse, endpoint, bucket: BUCKET },
    // A job needs the catalog's address only; other programs, and checkpoints in the bucket, the rest.
    env: {
      ICEBERG_URI: catalog.uri,
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_ACCESS_KEY_ID: accessKey,
      AWS_SECRET_ACCESS_KEY: secretKey,
      AWS_REGION: region,
    },
  };
}

/** There for trying things out. */
const BUCKET = 'tidemark';

interface ServiceState extends Omit<Running, 'service'> {
  /** The process that keeps it. */
  readonly keeper: number;
  readonly pid: number;
}

const USAGE = `Usage: npm run services -- up [name…] | down [name…] | status
Services: ${Object.keys(SERVICES).join(', ')}`;
const LOOK_MS = 100;

async function main([command = '', ...names]: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => !(name in SERVICES));
  if (unknown.length > 0) {
    console.error(`There is no service ${unknown.join(', ')}.\n${USAGE}`);
    return 2;
  }
  const asked = names.length > 0 ? names : Object.keys(SERVICES);
  switch (command) {
    case 'up':
      for (const name of asked) await up(name);
      return 0;
    case 'down':
      for (const name of asked) await down(name);
      return 0;
    case 'status':
      for (const name of asked) tell(name, stateOf(name));
      return 0;
    case 'keep':
      return keep(asked[0] ?? '');
    default:
      console.error(USAGE);
      return 2;
  }
}

async function up(name: string): Promise<void> {
  const before = stateOf(name);
  if (before !== undefined) {
    tell(name, before);
    return;
  }
  fs.mkdirSync(folderOf(name), { recursive: true });
  const log = fs.openSync(path.join(folderOf(name), 'keeper.log'), 'w');
  const keeper = spawn(process.execPath, [import.meta.filename, 'keep', name], {
    detached: true,
    stdio: ['ignore', log, log],
  });
  fs.closeSync(log);
  keeper.unref();
  console.log(`${name}: starting; the first time it is fetched and built, which takes minutes`);
  const until = performance.now() + SERVICE_SETUP_MS;
  for (let state = stateOf(name); ; state = stateOf(name)) {
    if (state?.keeper === keeper.pid) {
      tell(name, state);
      return;
    }
    if (keeper.exitCode !== null || performance.now() > until) {
      if (keeper.pid !== undefined && keeper.exitCode === null) process.kill(keeper.pid, 'SIGTERM');
      throw new TypeError(fs.readFileSync(path.join(folderOf(name), 'keeper.log'), 'utf8'));
    }
    await delay(LOOK_MS);
  }
}

/** Holds one service, as a process of its own, until it is told to end. */
async function keep(name: string): Promise<number> {
  const start = SERVICES[name];
  if (start === undefined) throw new TypeError(USAGE);
  const { service, ...told } = await start(folderOf(name));
  const state: ServiceState = { keeper: process.pid, pid: service.pid, ...told };
  fs.writeFileSync(`${stateFile(name)}.new`, JSON.stringify(state));
  fs.renameSync(`${stateFile(name)}.new`, stateFile(name));
  await new Promise<void>((resolve) => {
    const hold = setInterval(() => {
      if (isAlive(service.pid)) return;
      clearInterval(hold);
      resolve();
    }, LOOK_MS);
    process.once('SIGTERM', () => {
      clearInterval(hold);
      resolve();
    });
  });
  await service.stop();
  fs.rmSync(stateFile(name), { force: true });
  return 0;
}

async function down(name: string): Promise<void> {
  const state = stateOf(name);
  if (state !== undefined) {
    process.kill(state.keeper, 'SIGTERM');
    while (isAlive(state.keeper)) await delay(LOOK_MS);
  }
  tell(name, undefined);
}

/** Undefined if it does not run, whatever its file says. */
function stateOf(name: string): ServiceState | undefined {
  if (!fs.existsSync(stateFile(name))) return undefined;
  const state = JSON.parse(fs.readFileSync(stateFile(name), 'utf8')) as ServiceState;
  return isKeeper(state.keeper, name) ? state : undefined;
}

/** Numbers of processes come back: only one that keeps this service is taken for it. */
function isKeeper(pid: number, name: string): boolean {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`services.ts\0keep\0${name}`);
  } catch {
    return process.platform !== 'linux' && isAlive(pid);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function tell(name: string, state: ServiceState | undefined): void {
  const facts = Object.entries(state?.facts ?? {}).map(([key, value]) => `${key}=${value}`);
  console.log(state === undefined ? `${name}: down` : `${name}: up, ${facts.join(' ')}`);
  for (const [key, value] of Object.entries(state?.env ?? {})) {
    console.log(`  export ${key}='${value}'`);
  }
}

function folderOf(name: string): string {
  return path.join(cacheFolder(), 'services', name);
}

function stateFile(name: string): string {
  return path.join(folderOf(name), 'state.json');
}

process.exitCode = await main(process.argv.slice(2));
