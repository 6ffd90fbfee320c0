/**
 * Apache Kafka in KRaft mode, one node or a few, from Maven: on loopback, with folders of their own.
 *
 * Started again with the same folder (after a stop or a kill -9) a broker keeps its log, its ports and its
 * properties. A first start on a machine fetches the jars (about 45 MB) and writes an archive of the loaded
 * classes, which makes all later starts twice as fast.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  createTopic,
  electPreferredLeaders,
  isServing,
  type TopicOptions,
} from './kafka-requests.ts';
import { cached, freePort, runStep, type Service, startService } from './service.ts';

export const KAFKA_VERSION = '4.1.1';

const CLUSTER_ID = 'MkU3OEVBNTcwNTJENDM2Qk';
const PORT_ATTEMPTS_MAX = 3;
/** Few threads, little heap, and no second thought of the compiler: brokers of tests live for seconds. */
const JVM_FLAGS = ['-Xms64m', '-XX:+UseSerialGC', '-Xshare:auto'];

export interface KafkaOptions {
  readonly folder: string;
  /** Lines of `server.properties` that differ from the defaults below. Kept: a restart need not name them. */
  readonly properties?: Readonly<Record<string, string>>;
  /** More listeners by name, with their security protocol: `{ SECURE: 'SASL_SSL' }`. */
  readonly listeners?: Readonly<Record<string, string>>;
  readonly version?: string;
  /** `384m` unless told. */
  readonly heap?: string;
  /** `fast-start` (C1 only) is for tests, `throughput` for benches. */
  readonly jit?: 'fast-start' | 'throughput';
}

export interface Kafka extends Service {
  /** `127.0.0.1:port` of the plain listener. */
  readonly bootstrap: string;
  readonly port: number;
  /** `127.0.0.1:port` of the other listeners, by name. */
  readonly listeners: Readonly<Record<string, string>>;
  createTopic(name: string, options?: TopicOptions): Promise<void>;
  /** Of all partitions of the cluster. */
  electPreferredLeaders(): Promise<void>;
}

/** What stays the same from one start on a folder to the next. */
interface Layout {
  readonly nodeId: number;
  readonly port: number;
  readonly controllerPort: number;
  readonly voters: string;
  readonly listenerPorts: Readonly<Record<string, number>>;
  readonly protocols: Readonly<Record<string, string>>;
  readonly properties: Readonly<Record<string, string>>;
}

/** Starts one broker, its own controller. Resolves when it serves. */
export async function startKafka(options: KafkaOptions): Promise<Kafka> {
  const known = readLayout(options.folder);
  for (let attempt = 1; ; attempt += 1) {
    const [port, controllerPort] = [await freePort(), await freePort()];
    const layout = known ?? (await newLayout(options, 1, { port, controllerPort, voters: '' }));
    try {
      return await startNode(options, layout);
    } catch (error) {
      // Somebody else took a port that was free a moment ago.
      const taken = String(error).includes('Address already in use');
      if (known !== undefined || !taken || attempt === PORT_ATTEMPTS_MAX) throw error;
      fs.rmSync(options.folder, { recursive: true });
    }
  }
}

/**
 * Starts brokers that form one cluster, each in `<folder>/<node id>` (1, 2, …). To start one of them again
 * after a kill, call `startKafka` with its folder.
 */
export async function startKafkaCluster(
  options: KafkaOptions & { readonly nodes: number },
): Promise<readonly Kafka[]> {
  const ids = Array.from({ length: options.nodes }, (_, index) => index + 1);
  const ports = await Promise.all(
    ids.map(async () => ({ port: await freePort(), controllerPort: await freePort() })),
  );
  const voters = ids.map((id, i) => `${id}@127.0.0.1:${ports[i]?.controllerPort ?? 0}`).join();
  return Promise.all(
    ports.map(async (each, index) => {
      const id = index + 1;
      const own = { ...options, folder: path.join(options.folder, String(id)) };
      return startNode(own, await newLayout(own, id, { ...each, voters }));
    }),
  );
}

async function newLayout(
  options: KafkaOptions,
  nodeId: number,
  at: Pick<Layout, 'port' | 'controllerPort' | 'voters'>,
): Promise<Layout> {
  const protocols = options.listeners ?? {};
  const listenerPorts: Record<string, number> = {};
  for (const name of Object.keys(protocols)) listenerPorts[name] = await freePort();
  const voters = at.voters === '' ? `${nodeId}@127.0.0.1:${at.controllerPort}` : at.voters;
  return {
    ...at,
    nodeId,
    voters,
    listenerPorts,
    protocols,
    properties: options.properties ?? {},
  };
}

function layoutFile(folder: string): string {
  return path.join(folder, 'layout.json');
}

function readLayout(folder: string): Layout | undefined {
  if (!fs.existsSync(layoutFile(folder))) return undefined;
  return JSON.parse(fs.readFileSync(layoutFile(folder), 'utf8')) as Layout;
}

async function startNode(options: KafkaOptions, remembered: Layout): Promise<Kafka> {
  const version = options.version ?? KAFKA_VERSION;
  const jars = kafkaJars(version);
  const properties = { ...remembered.properties, ...options.properties };
  const layout = { ...remembered, properties };
  const folder = path.resolve(options.folder);
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, 'server.properties'), serverProperties(folder, layout));
  format(folder, layout, version);
  fs.writeFileSync(layoutFile(folder), JSON.stringify(layout));
  const archive = await classArchive(jars, version);
  const service = await startService({
    command: 'java',
    args: [
      ...jvmFlags(options, jars),
      `-XX:SharedArchiveFile=${archive}`,
      'kafka.Kafka',
      'server.properties',
    ],
    folder,
    ready: () => isServing(layout.port),
  });
  const address = (port: number): string => `127.0.0.1:${port}`;
  return {
    ...service,
    bootstrap: address(layout.port),
    port: layout.port,
    listeners: Object.fromEntries(
      Object.entries(layout.listenerPorts).map(([name, port]) => [name, address(port)]),
    ),
    createTopic: (name, topic) => createTopic(layout.port, name, topic),
    electPreferredLeaders: () => electPreferredLeaders(layout.port),
  };
}

function jvmFlags(options: Pick<KafkaOptions, 'heap' | 'jit'>, jars: string): string[] {
  return [
    ...JVM_FLAGS,
    `-Xmx${options.heap ?? '384m'}`,
    `-XX:TieredStopAtLevel=${options.jit === 'throughput' ? 4 : 1}`,
    '-Djava.net.preferIPv4Stack=true',
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
    '-cp',
    `${jars}/*`,
  ];
}

function serverProperties(folder: string, layout: Layout): string {
  const replicas = String(Math.min(3, layout.voters.split(',').length));
  const listeners = [
    `PLAINTEXT://127.0.0.1:${layout.port}`,
    ...Object.entries(layout.listenerPorts).map(([name, port]) => `${name}://127.0.0.1:${port}`),
    `CONTROLLER://127.0.0.1:${layout.controllerPort}`,
  ].join();
  const protocols = { PLAINTEXT: 'PLAINTEXT', CONTROLLER: 'PLAINTEXT', ...layout.protocols };
  const properties: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': String(layout.nodeId),
    'controller.quorum.voters': layout.voters,
    listeners,
    'advertised.listeners': listeners,
    'inter.broker.listener.name': 'PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': Object.entries(protocols)
      .map(([name, protocol]) => `${name}:${protocol}`)
      .join(),
    'log.dirs': path.join(folder, 'logs'),
    'auto.create.topics.enable': 'false',
    'num.partitions': '1',
    'offsets.topic.replication.factor': replicas,
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
    'group.initial.rebalance.delay.ms': '0',
    'num.network.threads': '2',
    'num.io.threads': '4',
    'num.recovery.threads.per.data.dir': '1',
    // A broker that was killed may come back only when its session has ended.
    'broker.session.timeout.ms': '2000',
    'broker.heartbeat.interval.ms': '500',
    'log.cleaner.dedupe.buffer.size': '16777216',
    'controlled.shutdown.enable': replicas === '1' ? 'false' : 'true',
    ...layout.properties,
  };
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}\n`);
  return lines.join('');
}

/**
 * Gives the log folder its cluster id and its first features. What the formatter writes depends on the
 * version and the node alone, so it runs once per machine and is copied from then on.
 */
function format(folder: string, layout: Layout, version: string): void {
  const logs = path.join(folder, 'logs');
  if (fs.existsSync(logs)) return;
  const template = cached(`kafka/formatted-${version}-${layout.nodeId}`, (fresh) => {
    const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'kafka-format-'));
    const properties = path.join(scratch, 'server.properties');
    fs.writeFileSync(properties, serverProperties(scratch, { ...layout, properties: {} }));
    runStep('java', [
      ...jvmFlags({}, kafkaJars(version)),
      'kafka.tools.StorageTool',
      'format',
      '-t',
      CLUSTER_ID,
      '-c',
      properties,
    ]);
    fs.cpSync(path.join(scratch, 'logs'), fresh, { recursive: true });
    fs.rmSync(scratch, { recursive: true });
  });
  const fresh = fs.mkdtempSync(`${logs}.`);
  fs.cpSync(template, fresh, { recursive: true });
  fs.renameSync(fresh, logs);
}

/** A program for `LineProcess`, Kafka's own consumer: see `ReadCommitted.java`. */
export function readCommitted(bootstrap: string): readonly [command: string, ...args: string[]] {
  const program = fileURLToPath(new URL('kafka/ReadCommitted.java', import.meta.url));
  const flags = ['-Xmx512m', '-XX:+UseSerialGC', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'];
  return ['java', ...flags, '-cp', `${kafkaJars(KAFKA_VERSION)}/*`, program, bootstrap];
}

/** A folder with the broker and everything it needs. */
function kafkaJars(version: string): string {
  return cached(`kafka/jars-${version}`, (fresh) => {
    const pom = path.join(fresh, 'pom.xml');
    fs.writeFileSync(pom, pomOf(version));
    const plugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies';
    const to = [`-DoutputDirectory=${fresh}`, '-DincludeScope=runtime'];
    runStep('mvn', ['-q', '-B', '-f', pom, plugin, ...to]);
  });
}

function pomOf(version: string): string {
  const dependency = (group: string, artifact: string, of: string): string =>
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${of}</version></dependency>`;
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>tidemark</groupId><artifactId>kafka-broker</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
${dependency('org.apache.kafka', 'kafka_2.13', version)}
${dependency('org.slf4j', 'slf4j-simple', '1.7.36')}
</dependencies>
</project>
`;
}

/**
 * The classes that a broker loads, in the form in which a JVM maps them. Java makes it as a broker ends; it
 * is bound to the jars' path and to the Java that made it, and left alone by any other.
 */
async function classArchive(jars: string, version: string): Promise<string> {
  const java = createHash('sha256')
    .update(runStep('java', ['--version']))
    .digest('hex');
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'kafka-classes-'));
  const name = `kafka/classes-${version}-${java.slice(0, 12)}`;
  try {
    const have = path.join(path.dirname(jars), path.basename(name));
    if (!fs.existsSync(have)) await recordClasses(jars, version, scratch);
    const folder = cached(name, (fresh) => {
      const made = path.join(scratch, 'classes.jsa');
      if (fs.existsSync(made)) fs.copyFileSync(made, path.join(fresh, 'classes.jsa'));
    });
    return path.join(folder, 'classes.jsa');
  } finally {
    fs.rmSync(scratch, { recursive: true });
  }
}

async function recordClasses(jars: string, version: string, folder: string): Promise<void> {
  const at = { port: await freePort(), controllerPort: await freePort(), voters: '' };
  const layout = await newLayout({ folder }, 1, at);
  fs.writeFileSync(path.join(folder, 'server.properties'), serverProperties(folder, layout));
  format(folder, layout, version);
  const service = await startService({
    command: 'java',
    args: [
      ...jvmFlags({}, jars),
      `-XX:ArchiveClassesAtExit=${path.join(folder, 'classes.jsa')}`,
      'kafka.Kafka',
      'server.properties',
    ],
    folder,
    ready: () => isServing(layout.port),
  });
  await createTopic(layout.port, 'warm', {});
  await service.stop();
}
