import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { fromString } from './deserializers.ts';
import { kafkaSource } from './kafka-source.ts';
import { ownerOf } from './kafka-enumerator.ts';
import { checkSourceOptions, type KafkaSourceOptions } from './source-options.ts';

const GOOD = { brokers: 'a:9092', topics: 'orders', deserializer: fromString() } as const;

type Options = Partial<KafkaSourceOptions<string>>;

describe('options', () => {
  it('have the defaults of Flink and of Kafka', () => {
    expect(checkSourceOptions(GOOD)).toMatchObject({
      topics: ['orders'],
      startFrom: 'earliest',
      isolation: 'read_committed',
      partitionDiscoveryIntervalMs: 300_000,
      onOffsetOutOfRange: 'fail',
      fetch: { minBytes: 1, maxWaitMs: 500, partitionMaxBytes: 1_048_576, checksCrc: true },
    });
  });

  it.each<[string, Options, string]>([
    ['a broker without a port', { brokers: 'kafka' }, 'brokers'],
    ['no broker', { brokers: [] }, 'brokers'],
    ['a topic that cannot be', { topics: ['a b'] }, 'topics'],
    ['no topic', { topics: [] }, 'topics'],
    ['topics and a pattern', { topicPattern: /a/ }, 'topics'],
    ['a group that is needed', { startFrom: 'committed' }, 'groupId'],
    ['a group that is needed', { startFrom: { committedOr: 'latest' } }, 'groupId'],
    ['no bytes', { prefetchBytes: 0 }, 'prefetchBytes'],
    ['no interval', { partitionDiscoveryIntervalMs: NaN }, 'partitionDiscoveryIntervalMs'],
    ['a wrong word', { properties: { 'security.protocol': 'TLS' } }, 'security.protocol'],
    ['no number', { properties: { 'fetch.max.bytes': 'much' } }, 'fetch.max.bytes'],
    ['a JKS store', { properties: { 'ssl.keystore.type': 'JKS' } }, 'ssl.keystore.type'],
    ['a PKCS12 store of others', { properties: { 'ssl.truststore.type': 'PKCS12' } }, 'ssl.trust'],
    [
      'credentials that are missing',
      { properties: { 'security.protocol': 'SASL_SSL', 'sasl.username': 'u' } },
      'sasl.jaas.config',
    ],
  ])('%s: refused, by its name', (_, options, name) => {
    const make = () => kafkaSource<string>({ ...GOOD, ...options });
    expect(make).toThrow(expect.objectContaining({ code: 'KAF-001' }));
    expect(make).toThrow(new RegExp(`option=\`${name}`));
  });

  it('of which nobody knows are refused, with the one that was meant', () => {
    const properties = { 'sasl.mechanisms': 'PLAIN' };
    expect(() => kafkaSource({ ...GOOD, properties })).toThrow(/KAF-002[^]*Write sasl\.mechanism,/);
  });

  it('take an IPv6 address, and lists in one text', () => {
    const { access } = checkSourceOptions({ ...GOOD, brokers: '[::1]:9092, b:1' });
    expect(access.brokers).toEqual([
      { host: '::1', port: 9092 },
      { host: 'b', port: 1 },
    ]);
    expect(checkSourceOptions({ ...GOOD, topics: 'a, b,a' }).topics).toEqual(['a', 'b']);
  });

  it('match whole names by a pattern, again and again', () => {
    const { topics, ...rest } = GOOD;
    const { topics: pattern } = checkSourceOptions({ ...rest, topicPattern: /orders|pay/gi });
    const matches = ['orders', 'PAY', 'pay', 'payments', 'my-orders'].filter(
      (name) => pattern instanceof RegExp && pattern.test(name),
    );
    expect(matches).toEqual(['orders', 'PAY', 'pay']);
    expect(topics).toBe('orders');
  });
});

describe('secrets', () => {
  it('are in no view of the options', () => {
    const jaas = 'X required username="u" password="hid\\"den";';
    const properties = { 'security.protocol': 'SASL_SSL', 'sasl.jaas.config': jaas };
    const { access } = checkSourceOptions({ ...GOOD, properties });
    const shown = inspect(access, { depth: 9, showHidden: true }) + JSON.stringify(access);
    expect(shown).not.toContain('hid');
  });

  it('are in no error', () => {
    const properties = { 'security.protocol': 'SASL_SSL', 'sasl.jaas.config': 'password=hidden' };
    expect(() => kafkaSource({ ...GOOD, properties })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('hidden') }),
    );
  });
});

it('gives partitions to subtasks as Flink does', () => {
  // "orders".hashCode() is -1008770331 in Java.
  const first = (Math.imul(-1008770331, 31) & 0x7fffffff) % 4;
  const owners = [0, 1, 2, 3, 4].map((partition) => ownerOf({ topic: 'orders', partition }, 4));
  expect(owners).toEqual([0, 1, 2, 3, 4].map((partition) => (first + partition) % 4));
});
