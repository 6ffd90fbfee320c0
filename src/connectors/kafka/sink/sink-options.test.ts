import { describe, expect, test } from 'vitest';
import { type KafkaSinkOptions, planKafkaSink } from './sink-options.ts';

const OPTIONS: KafkaSinkOptions<string> = {
  brokers: 'localhost:9092',
  topic: 'orders',
  delivery: 'exactly-once',
};

describe('options of a Kafka sink', () => {
  test('have defaults', () => {
    expect(planKafkaSink(OPTIONS)).toMatchObject({
      transactionalIdPrefix: 'tidemark',
      transactionTimeoutMs: 900_000,
      batchSizeBytes: 262_144,
      lingerMs: 10,
      batchCompression: undefined,
    });
  });

  test('may have the names of Kafka; the option wins', () => {
    const properties = {
      'transaction.timeout.ms': '120000',
      'linger.ms': 3,
      'compression.type': 'lz4',
    };
    const plan = planKafkaSink({ ...OPTIONS, properties, lingerMs: 5 });
    expect(plan).toMatchObject({ transactionTimeoutMs: 120_000, lingerMs: 5 });
    expect(plan.batchCompression?.bits).toBe(3);
  });

  test.each([
    [{ delivery: 'twice' as 'none' }, 'KAF-050'],
    [{ topic: 'no such/name' }, 'KAF-050'],
    [{ topic: '' }, 'KAF-050'],
    [{ transactionalIdPrefix: 'a/b' }, 'KAF-050'],
    [{ transactionTimeoutMs: 10 }, 'KAF-050'],
    [{ batchSizeBytes: 0 }, 'KAF-050'],
    [{ lingerMs: -1 }, 'KAF-050'],
    [{ bufferBytesMax: 1.5 }, 'KAF-050'],
    [{ compression: 'zip' as 'none' }, 'KAF-050'],
    [{ brokers: '' }, 'KAF-001'],
    [{ properties: { 'linger.ms': 'soon' } }, 'KAF-001'],
    [{ properties: { 'linger.m': '1' } }, 'KAF-002'],
  ])('%j is refused', (change, code) => {
    expect(() => planKafkaSink({ ...OPTIONS, ...change })).toThrow(code);
  });
});
