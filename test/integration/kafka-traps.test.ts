/**
 * Goal: what Kafka's transactions do to one who resumes them in another process is known and taken account of: each fact
 * that would lose or double output if the sink forgot it has a test, here or in kafka-sink.test.ts.
 * Method: the sink's writers and committers against a real broker, and beside them requests made by hand, as another
 * client or another release would send them.
 * Needs: Java 17 or later and Maven; Kafka is fetched once.
 * Replay: npm run test:integration -- kafka-traps
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {
  Connection,
  createAPI,
  describeTransactionsV0,
  endTxnV1,
  endTxnV4,
  initProducerIdV4,
  type Reader,
  ResponseError,
  Writer,
} from '@platformatic/kafka';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startKafka, type Kafka } from '../../scripts/services/kafka.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { apiErrorOf } from '../../src/connectors/kafka/client/fault.ts';
import { nodeFileSystem } from '../../src/common/node-file-system.ts';
import { systemRandom } from '../../src/common/random.ts';
import { BrokerAccess } from '../../src/connectors/kafka/client/broker-access.ts';
import { CONNECTION_PROPERTIES } from '../../src/connectors/kafka/client/connection-properties.ts';
import { KafkaClient } from '../../src/connectors/kafka/client/kafka-client.ts';
import { readProperties } from '../../src/connectors/kafka/client/properties.ts';
import type { OpenTransaction } from '../../src/connectors/kafka/sink/open-transaction.ts';
import {
  addPartitions,
  endTransaction,
  takeTransactionalId,
} from '../../src/connectors/kafka/sink/transaction-requests.ts';
import { retried } from '../support/kafka-writer.ts';
import {
  eventually,
  prepared,
  range,
  SinkUnderTest,
  writeAll,
} from '../support/kafka-sink-under-test.ts';

let folder: string;
let kafka: Kafka;
let connection: Connection;

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'kafka-traps-'));
  kafka = await startKafka({ folder });
}, SERVICE_SETUP_MS);

afterAll(async () => {
  await kafka.stop();
  fs.rmSync(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  connection = new Connection('by-hand', { requestTimeout: 30_000 });
  const [host = '', port = ''] = kafka.bootstrap.split(':');
  await connection.connect(host, Number(port));
});

afterEach(async () => {
  await connection.close();
});

const make = () => SinkUnderTest.make(() => kafka);

type EndTransaction = (of: OpenTransaction, how: 'commit' | 'abort') => Promise<unknown>;

const endV4: EndTransaction = ({ transactionalId, producerId, producerEpoch }, how) =>
  endTxnV4.api.async(connection, transactionalId, producerId, producerEpoch, how === 'commit');

const endV1: EndTransaction = ({ transactionalId, producerId, producerEpoch }, how) =>
  endTxnV1.api.async(connection, transactionalId, producerId, producerEpoch, how === 'commit');

/** Of transactions of the second kind (KIP-890): the coordinator gives the producer a new epoch with each end. */
const version5 = createAPI<[OpenTransaction, boolean], number>(
  26,
  5,
  ({ transactionalId, producerId, producerEpoch }: OpenTransaction, isCommit: boolean) =>
    Writer.create()
      .appendString(transactionalId)
      .appendInt64(producerId)
      .appendInt16(producerEpoch)
      .appendBoolean(isCommit)
      .appendTaggedFields(),
  (_correlationId, key, version, reader: Reader) => {
    reader.readInt32(); // throttled for so long
    const error = reader.readInt16();
    reader.readInt64(); // the same producer
    const epoch = reader.readInt16();
    if (error !== 0) throw new ResponseError(key, version, { '/': [error, null] }, {});
    return epoch;
  },
);

const endV5: EndTransaction = (of, how) => version5.async(connection, of, how === 'commit');

/** Kafka's name of why it was refused; undefined: it was done. */
async function refusal(
  end: EndTransaction,
  of: OpenTransaction | undefined,
  how: 'commit' | 'abort',
): Promise<string | undefined> {
  if (of === undefined) throw new TypeError('nothing was prepared');
  try {
    await retried(() => end(of, how));
    return undefined;
  } catch (error) {
    const name = apiErrorOf(error);
    if (name === undefined) throw error;
    return name;
  }
}

async function epochOf({ transactionalId }: OpenTransaction): Promise<number | undefined> {
  const { transactionStates } = await describeTransactionsV0.api.async(connection, [
    transactionalId,
  ]);
  return transactionStates[0]?.producerEpoch;
}

describe('a transaction that is ended twice', () => {
  test('the same way is done twice; the other way it is refused', async () => {
    const job = await make();
    const [first] = await prepared(job, range(0, 10));
    expect(await refusal(endV4, first, 'commit')).toBeUndefined();
    expect(await refusal(endV4, first, 'commit')).toBeUndefined();
    expect(await refusal(endV4, first, 'abort')).toBe('INVALID_TXN_STATE');
    expect(await job.commit(...(first === undefined ? [] : [first]))).toEqual(['done']);
    await job.expectCommitted(range(0, 10));
  });

  test('by somebody who aborts it is lost, and the commit says so', async () => {
    const job = await make();
    const held = await prepared(job, range(0, 10));
    expect(await refusal(endV4, held[0], 'abort')).toBeUndefined();
    expect(await refusal(endV4, held[0], 'abort')).toBeUndefined();
    expect(await refusal(endV4, held[0], 'commit')).toBe('INVALID_TXN_STATE');
    expect(await job.commit(...held)).toEqual(['lost']);
    expect(await job.committed()).toEqual([]);
    await eventually('not blocked', async () => !(await job.isBlocked()));
  });

  test('by another client first, with another version that keeps the epoch, is committed once', async () => {
    const job = await make();
    const held = await prepared(job, range(0, 10));
    expect(await refusal(endV1, held[0], 'commit')).toBeUndefined();
    expect(await refusal(endV1, held[0], 'commit')).toBeUndefined();
    expect(await job.commit(...held)).toEqual(['done']);
    await job.expectCommitted(range(0, 10));
  });
});

describe('versions of EndTxn', () => {
  test('that are mixed refuse what the other one has committed', async () => {
    const job = await make();
    const [older] = await prepared(job, range(0, 10));
    expect(await refusal(endV4, older, 'commit')).toBeUndefined();
    expect(await refusal(endV5, older, 'commit')).toBe('INVALID_TXN_STATE');
    const [newer] = await prepared(await make(), range(0, 10));
    expect(await refusal(endV5, newer, 'commit')).toBeUndefined();
    expect(await refusal(endV5, newer, 'commit')).toBeUndefined();
    expect(await refusal(endV4, newer, 'commit')).toBe('PRODUCER_FENCED');
  });

  test('are not mixed by the sink: a commit leaves the epoch as the checkpoint has it', async () => {
    const job = await make();
    const [held] = await prepared(job, range(0, 10));
    if (held === undefined) throw new TypeError('nothing was prepared');
    expect(await job.commit(held)).toEqual(['done']);
    // The one sign of a newer version; a restore that comes with the old one would call the output lost.
    expect(await epochOf(held)).toBe(held.producerEpoch);
    expect(await refusal(endV4, held, 'commit')).toBeUndefined();
    await job.expectCommitted(range(0, 10));
  });

  test('of another release: rather told as lost than passed over in silence', async () => {
    const job = await make();
    const held = await prepared(job, range(0, 10));
    expect(await refusal(endV5, held[0], 'commit')).toBeUndefined();
    expect(await job.commit(...held)).toEqual(['lost']);
    await job.expectCommitted(range(0, 10));
  });
});

describe('an id', () => {
  test('that a new writer takes has lost what was prepared under it', async () => {
    const job = await make();
    const held = await prepared(job, range(0, 10));
    // The same writer id again, so the same transactional id: what must never happen, and is told.
    const again = await job.writer();
    await writeAll(again, range(10, 15));
    const second = await again.prepareCommit(2, 'checkpoint');
    expect(second[0]?.transactionalId).toBe(held[0]?.transactionalId);
    expect(await job.commit(...held)).toEqual(['lost']);
    expect(await job.commit(...second)).toEqual(['done']);
    await job.expectCommitted(range(10, 15));
    await again.close();
  });

  test('is taken without a producer id of before, which another process does not have', async () => {
    // With one, the broker would answer a second process as a zombie of the first.
    const job = await make();
    const first = await job.writer();
    await writeAll(first, range(0, 5));
    const held = await first.prepareCommit(1, 'checkpoint');
    expect(await job.commit(...held)).toEqual(['done']);
    const second = await job.writer();
    await writeAll(second, range(5, 10));
    const next = await second.prepareCommit(1, 'checkpoint');
    expect(await job.commit(...next)).toEqual(['done']);
    await job.expectCommitted(range(0, 10));
    await Promise.all([first.close(), second.close()]);
  });

  test('of a transaction without a partition cannot be ended, and is not', async () => {
    const job = await make();
    const writer = await job.writer();
    // No record, no transaction: nothing that a commit would be refused for.
    expect(await writer.prepareCommit(1, 'checkpoint')).toEqual([]);
    await writeAll(writer, [1]);
    const [held] = await writer.prepareCommit(2, 'checkpoint');
    if (held === undefined) throw new TypeError('nothing was prepared');
    const { transactionalId } = held;
    await job.commit(held);
    const empty = await retried(() =>
      initProducerIdV4.api.async(connection, transactionalId, 60_000, -1n, -1),
    );
    expect(await refusal(endV4, { ...held, ...empty }, 'commit')).toBe('INVALID_TXN_STATE');
    await writer.close();
  });
});

test('a partition that a coordinator does not know yet holds up the others, and fails nothing', async () => {
  // One that has just started says UNKNOWN_TOPIC_OR_PARTITION of one, and OPERATION_NOT_ATTEMPTED of all the others.
  const client = new KafkaClient({
    access: new BrokerAccess(kafka.bootstrap, readProperties({}, CONNECTION_PROPERTIES)),
    world: { clock: systemClock, random: systemRandom, fs: nodeFileSystem },
    clientId: 'unknown',
  });
  const transactionalId = 'unknown-partition';
  const giveUpAfterMs = 60_000;
  const taken = await takeTransactionalId(client, {
    transactionalId,
    timeoutMs: 60_000,
    giveUpAfterMs,
  });
  await kafka.createTopic('known-here');
  const partitions = ['known-here', 'known-later'].map((topic) => ({ topic, partition: 0 }));
  let isAdded = false;
  const adding = addPartitions(client, { transactionalId, ...taken }, partitions, giveUpAfterMs);
  const settled = adding.then(() => (isAdded = true));
  await Promise.race([settled, sleep(systemClock, 500)]);
  expect(isAdded).toBe(false);
  await kafka.createTopic('known-later');
  await settled;
  await endTransaction(client, { transactionalId, ...taken }, 'abort', giveUpAfterMs);
  await client.close();
});
