/*
 * Goal: Avro with a schema registry, both ways: what others write we read, what we write others read, each version of
 * a schema; a bad record is told from a registry that is away, which costs time and no record.
 * Method: a real broker, a real registry (Apicurio, by Confluent's interface) with a proxy before it that asks for
 * credentials, speaks TLS and goes away; fastavro in Python is the other implementation.
 * Replay: the test's name; nothing is random.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  type SchemaRegistryService,
  startSchemaRegistry,
} from '../../scripts/services/schema-registry.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { systemClock } from '../../src/common/clock.ts';
import { nodeFileSystem } from '../../src/common/node-file-system.ts';
import { systemRandom } from '../../src/common/random.ts';
import {
  fromAvro,
  type FromAvroOptions,
  fromBytes,
  kafkaSink,
  kafkaSource,
  type KafkaSinkOptions,
  toAvro,
} from '../../src/connectors/kafka/kafka.ts';
import { makeCertificates } from '../support/certificates.ts';
import type { DrivenSnapshot } from '../support/driven-source.ts';
import { KafkaFixture } from '../support/kafka-fixture.ts';
import { PYTHON_SETUP_MS, pythonWith } from '../support/python.ts';
import { RegistryProxy, type RegistryProxyOptions } from '../support/registry-proxy.ts';
import { REPOSITORY } from '../support/tidemark-process.ts';

const world = { clock: systemClock, random: systemRandom, fs: nodeFileSystem };
const cluster = new KafkaFixture();
const proxies: RegistryProxy[] = [];
let root: string;
let registry: SchemaRegistryService;
let python: string;

beforeAll(async () => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-avro-'));
  registry = await startSchemaRegistry(`${root}/registry`);
}, SERVICE_SETUP_MS);

beforeAll(() => {
  python = pythonWith(['fastavro==1.13.1']);
}, PYTHON_SETUP_MS);

afterEach(async () => {
  for (const proxy of proxies.splice(0)) await proxy.close();
});

afterAll(async () => {
  await registry.stop();
  fs.rmSync(root, { recursive: true });
});

const ORDER = {
  type: 'record',
  name: 'Order',
  namespace: 'shop',
  fields: [
    { name: 'id', type: { type: 'string', logicalType: 'uuid' } },
    { name: 'n', type: 'long' },
    { name: 'amount', type: { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } },
    { name: 'day', type: { type: 'int', logicalType: 'date' } },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'micros', type: { type: 'long', logicalType: 'timestamp-micros' } },
    { name: 'note', type: ['null', 'string'], default: null },
    { name: 'tags', type: { type: 'array', items: 'string' } },
    { name: 'counts', type: { type: 'map', values: 'int' } },
    { name: 'status', type: { type: 'enum', name: 'Status', symbols: ['NEW', 'DONE'] } },
  ],
} as const;

const Order = z.object({
  id: z.string(),
  n: z.number(),
  amount: z.string(),
  day: z.date(),
  at: z.date(),
  micros: z.number(),
  note: z.string().nullable(),
  tags: z.array(z.string()),
  counts: z.record(z.string(), z.number()),
  status: z.enum(['NEW', 'DONE']),
});
type Order = z.infer<typeof Order>;

/** What `avro_wire.py` has for `n`, as it is here. */
function orderOf(n: number): Order {
  const cents = n * 5 - 1_000;
  return {
    id: `00000000-0000-0000-0000-${n.toString(16).padStart(12, '0')}`,
    n: n * 1_000_000_007,
    amount: (cents / 100).toFixed(2),
    day: new Date(Date.UTC(1969, 11, 30 + n)),
    at: new Date(Date.UTC(2026, 10, 30) + n),
    micros: Date.UTC(2026, 10, 30) * 1_000 + n,
    note: n % 2 === 0 ? null : `über ${n}`,
    tags: Array.from({ length: n % 4 }, (_, i) => `t${i}`),
    counts: Object.fromEntries(Array.from({ length: n % 3 }, (_, i) => [`k${i}`, i])),
    status: n % 2 === 0 ? 'NEW' : 'DONE',
  };
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}

interface Reference {
  readonly name: string;
  readonly subject: string;
  readonly version: number;
}

async function register(
  subject: string,
  schema: object,
  references: readonly Reference[] = [],
): Promise<number> {
  const answer = await fetch(`${registry.url}/subjects/${subject}/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schema: JSON.stringify(schema), references }),
  });
  const { id } = (await answer.json()) as { id: number };
  return id;
}

async function proxyOf(options: Partial<RegistryProxyOptions> = {}): Promise<RegistryProxy> {
  const proxy = await RegistryProxy.start({ target: registry.url, ...options });
  proxies.push(proxy);
  return proxy;
}

function pythonLines(args: readonly string[], input = ''): string[] {
  const script = `${REPOSITORY}/test/reference/avro_wire.py`;
  const { status, stdout, stderr } = spawnSync(python, [script, ...args], {
    input,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  expect(status, stderr).toBe(0);
  return stdout.split('\n').filter((line) => line !== '');
}

let topics = 0;

async function newTopic(): Promise<string> {
  const topic = `avro-${topics++}`;
  await cluster.kafka.createTopic(topic);
  return topic;
}

async function write<T>(
  topic: string,
  records: readonly T[],
  value: NonNullable<KafkaSinkOptions<T>['value']>,
): Promise<void> {
  const brokers = cluster.kafka.bootstrap;
  const sink = kafkaSink<T>({ brokers, topic, value, delivery: 'at-least-once' });
  const place = { world, uid: 'out', subtask: 0, parallelism: 1, writerId: 'w' };
  const writer = sink.writer(place);
  try {
    await writer.open?.();
    for (const record of records) await writer.write(record, 1);
    await writer.prepareCommit(1, 'checkpoint');
  } finally {
    await writer.close();
  }
}

const writeBytes = (topic: string, values: readonly Uint8Array[]): Promise<void> =>
  write(topic, values, (value) => value);

interface Bad {
  readonly offset: number;
  readonly reason: string;
}

function source(topic: string, options: Partial<FromAvroOptions> = {}) {
  return kafkaSource({
    brokers: cluster.kafka.bootstrap,
    topics: [topic],
    bounded: 'latest',
    deserializer: fromAvro({ registry: registry.url, ...options }),
    onInvalid: ({ offset, reason }): Bad => ({ offset, reason }),
  });
}

async function readAll(
  topic: string,
  options: Partial<FromAvroOptions> = {},
  from?: DrivenSnapshot,
): Promise<unknown[]> {
  const driven = await cluster.run(source(topic, options), from === undefined ? {} : { from });
  await driven.until(() => driven.hasEnded);
  return driven.values;
}

describe('with another implementation', () => {
  it('we read what it has written', async () => {
    const topic = await newTopic();
    const id = await register(`${topic}-value`, ORDER);
    const lines = pythonLines(['write', JSON.stringify(ORDER), String(id), '500']);
    await writeBytes(
      topic,
      lines.map((line) => Buffer.from(line, 'hex')),
    );
    const read = await readAll(topic);
    expect(read).toEqual(numbers(500).map(orderOf));
    expect(await readAll(topic, { readerSchema: ORDER })).toEqual(read);
    // Plain data, as state and channels take it.
    expect(Object.getPrototypeOf(read[0])).toBe(Object.prototype);
    const checked = kafkaSource({
      brokers: cluster.kafka.bootstrap,
      topics: [topic],
      bounded: 'latest',
      deserializer: fromAvro(Order, { registry: registry.url }),
    });
    const driven = await cluster.run(checked);
    await driven.until(() => driven.hasEnded);
    expect(driven.values).toEqual(numbers(500).map(orderOf));
  });

  it('it reads what we have written', async () => {
    const topic = await newTopic();
    const id = await register(`${topic}-value`, ORDER);
    await write(topic, numbers(500).map(orderOf), toAvro<Order>({ registry: registry.url }));
    const bytes = kafkaSource({
      brokers: cluster.kafka.bootstrap,
      topics: [topic],
      bounded: 'latest',
      deserializer: fromBytes(),
    });
    const driven = await cluster.run(bytes);
    await driven.until(() => driven.hasEnded);
    const hex = driven.values.map((value) => Buffer.from(value).toString('hex')).join('\n');
    const lines = pythonLines(['read', JSON.stringify(ORDER), String(id)], hex);
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(
      numbers(500)
        .map(orderOf)
        .map((order) => ({
          ...order,
          day: order.day.toISOString().slice(0, 10),
          at: order.at.getTime() * 1_000,
        })),
    );
  });
});

const V1 = { type: 'record', name: 'P', fields: [{ name: 'a', type: 'int' }] };
const V2 = {
  type: 'record',
  name: 'P',
  fields: [
    { name: 'a', type: 'long' },
    { name: 'b', type: 'string', default: 'none' },
  ],
};

describe('versions of a schema', () => {
  it('come as they were written, or as one reader schema says', async () => {
    const topic = await newTopic();
    const auto = { registry: registry.url, autoRegister: true };
    await write(topic, [{ a: 1 }], toAvro({ ...auto, schema: V1 }));
    await write(topic, [{ a: 2, b: 'x' }], toAvro({ ...auto, schema: V2 }));
    await write(topic, [{ a: 3 }], toAvro({ ...auto, schema: V1 }));
    expect(await readAll(topic)).toEqual([{ a: 1 }, { a: 2, b: 'x' }, { a: 3 }]);
    expect(await readAll(topic, { readerSchema: V2 })).toEqual([
      { a: 1, b: 'none' },
      { a: 2, b: 'x' },
      { a: 3, b: 'none' },
    ]);
    // `long` does not become `int`: those records cannot be read, the others can.
    expect(await readAll(topic, { readerSchema: V1 })).toEqual([
      { a: 1 },
      { offset: 1, reason: expect.stringContaining("does not fit the reader's schema") },
      { a: 3 },
    ]);
  });

  it('may refer to others', async () => {
    const topic = await newTopic();
    await register(`${topic}-part`, V1);
    const reference = { name: 'P', subject: `${topic}-part`, version: 1 };
    const whole = { type: 'record', name: 'W', fields: [{ name: 'p', type: 'P' }] };
    const id = await register(`${topic}-value`, whole, [reference]);
    const value = Buffer.from([0, 0, 0, 0, 0, 14]);
    value.writeInt32BE(id, 1);
    await writeBytes(topic, [value]);
    expect(await readAll(topic)).toEqual([{ p: { a: 7 } }]);
  });

  it('are not registered unless that is asked for', async () => {
    const topic = await newTopic();
    const value = toAvro({ registry: registry.url, schema: V1 });
    await expect(write(topic, [{ a: 1 }], value)).rejects.toMatchObject({ code: 'KAF-034' });
    await register(`${topic}-value`, V1);
    await write(topic, [{ a: 1 }], value);
    expect(await readAll(topic)).toEqual([{ a: 1 }]);
  });

  it('a record that does not fit fails, with its place', async () => {
    const topic = await newTopic();
    const value = toAvro({ registry: registry.url, schema: V2, autoRegister: true });
    await expect(write<unknown>(topic, [{ a: 'one', b: '' }], value)).rejects.toMatchObject({
      code: 'KAF-036',
      details: { path: 'a' },
    });
  });
});

describe('a record that cannot be read', () => {
  it('goes the way that onInvalid says, with the reason', async () => {
    const topic = await newTopic();
    const id = await register(`${topic}-value`, V2);
    const wire = (...bytes: readonly number[]): Buffer => {
      const value = Buffer.from([0, 0, 0, 0, 0, ...bytes]);
      value.writeInt32BE(id, 1);
      return value;
    };
    const good = wire(2, 2, 0x78);
    const unknown = Buffer.from(good);
    unknown.writeInt32BE(999_999, 1);
    const json = Buffer.from('{"a":1}');
    const values = [
      good,
      json,
      Buffer.from([0, 1]),
      wire(2, 8, 0x78),
      wire(2, 2, 0x78, 0),
      unknown,
    ];
    await writeBytes(topic, [...values, good]);
    expect(await readAll(topic)).toEqual([
      { a: 1, b: 'x' },
      { offset: 1, reason: "it begins with byte 123, not with 0 and a schema's id" },
      { offset: 2, reason: "2 bytes are too few for a schema's id" },
      { offset: 3, reason: 'the value is cut off' },
      { offset: 4, reason: '1 bytes are left behind the value' },
      { offset: 5, reason: 'the registry has no schema 999999' },
      { a: 1, b: 'x' },
    ]);
  });

  it('is one with a long beyond 2^53, unless longs are bigints', async () => {
    const topic = await newTopic();
    const auto = { registry: registry.url, autoRegister: true, schema: V2 };
    const large = 2n ** 60n + 1n;
    await write<unknown>(
      topic,
      [
        { a: large, b: '' },
        { a: 5, b: '' },
      ],
      toAvro(auto),
    );
    expect(await readAll(topic)).toEqual([
      { offset: 0, reason: expect.stringContaining('precision') },
      { a: 5, b: '' },
    ]);
    expect(await readAll(topic, { longs: 'bigint' })).toEqual([
      { a: large, b: '' },
      { a: 5n, b: '' },
    ]);
  });

  it('claims a huge array and costs nothing', async () => {
    const topic = await newTopic();
    const id = await register(`${topic}-value`, { type: 'array', items: 'int' });
    // A block of 2^40 items.
    const value = Buffer.from([0, 0, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40]);
    value.writeInt32BE(id, 1);
    await writeBytes(topic, [value]);
    expect(await readAll(topic)).toEqual([
      { offset: 0, reason: expect.stringContaining('cut off') },
    ]);
  });
});

describe('a registry that is away', () => {
  it('is waited for, and no record is lost or taken for bad', async () => {
    const topic = await newTopic();
    const proxy = await proxyOf();
    const auto = { registry: registry.url, autoRegister: true };
    await write(topic, [{ a: 1 }, { a: 2 }], toAvro({ ...auto, schema: V1 }));
    await write(topic, [{ a: 3, b: '' }], toAvro({ ...auto, schema: V2 }));
    proxy.isDown = true;
    const driven = await cluster.run(source(topic, { registry: proxy.url }));
    await driven.until(() => proxy.asked.length >= 3);
    expect(driven.values).toEqual([]);
    // A checkpoint that is taken meanwhile is before the record that waits.
    const before = driven.snapshot(1);
    proxy.isDown = false;
    await driven.until(() => driven.hasEnded);
    expect(driven.values).toEqual([{ a: 1 }, { a: 2 }, { a: 3, b: '' }]);
    // One request for each schema.
    const paths = new Set(proxy.asked);
    expect(proxy.asked.filter((each) => each === [...paths][1])).toHaveLength(1);
    expect(await readAll(topic, {}, before)).toEqual(driven.values);
  });

  it('fails the job after the time that was said', async () => {
    const topic = await newTopic();
    const proxy = await proxyOf();
    await write(
      topic,
      [{ a: 1 }],
      toAvro({ registry: registry.url, autoRegister: true, schema: V1 }),
    );
    proxy.status = 503;
    const driven = await cluster.run(
      source(topic, { registry: proxy.url, unavailableAfterMs: 5_000 }),
    );
    const error = await driven.untilFailed();
    expect(error).toMatchObject({ code: 'KAF-030', kind: 'unavailable' });
    expect(driven.values).toEqual([]);
    expect(proxy.asked.length).toBeGreaterThan(1);
  });

  it('has a neighbour that is asked instead', async () => {
    const topic = await newTopic();
    const [away, there] = [await proxyOf(), await proxyOf()];
    await write(
      topic,
      [{ a: 1 }],
      toAvro({ registry: registry.url, autoRegister: true, schema: V1 }),
    );
    away.isDown = true;
    expect(await readAll(topic, { registry: [away.url, there.url] })).toEqual([{ a: 1 }]);
  });
});

describe('credentials', () => {
  it('go over TLS, and are in no error', async () => {
    const topic = await newTopic();
    const certificates = makeCertificates(`${root}/certificates`);
    const proxy = await proxyOf({
      pem: fs.readFileSync(certificates.server),
      authorization: `Basic ${Buffer.from('reader:hidden:word').toString('base64')}`,
    });
    const secure = {
      registry: proxy.url,
      username: 'reader',
      password: 'hidden:word',
      tls: { caFile: certificates.ca },
    };
    await write(topic, [{ a: 1 }], toAvro({ ...secure, autoRegister: true, schema: V1 }));
    expect(await readAll(topic, secure)).toEqual([{ a: 1 }]);

    const failureOf = async (options: Partial<FromAvroOptions>): Promise<Error> => {
      const driven = await cluster.run(source(topic, options));
      return (await driven.untilFailed()) as Error;
    };
    const wrong = await failureOf({ ...secure, password: 'another' });
    expect(wrong).toMatchObject({ code: 'KAF-031' });
    expect(wrong.message).not.toContain('another');
    const untrusted = { ...secure, tls: { caFile: certificates.otherCa } };
    expect(await failureOf(untrusted)).toMatchObject({ code: 'KAF-032' });
  });

  it('may be a token', async () => {
    const topic = await newTopic();
    const proxy = await proxyOf({ authorization: 'Bearer t0ken' });
    const options = { registry: proxy.url, token: 't0ken' };
    await write(topic, [{ a: 1 }], toAvro({ ...options, autoRegister: true, schema: V1 }));
    expect(await readAll(topic, options)).toEqual([{ a: 1 }]);
  });
});
