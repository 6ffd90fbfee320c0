/**
 * What a topic holds, for tests: fetched by hand with the rules of Java's consumer, so that neither the
 * source nor a library's consumer is trusted with the answer.
 */
import {
  type Connection,
  fetchV16,
  listOffsetsV8,
  NetworkError,
  ResponseError,
} from '@platformatic/kafka';
import { expect } from 'vitest';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { Leaders } from './kafka-leaders.ts';

export interface TopicRecord {
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string | null>>;
}

export type Isolation = 'read_committed' | 'read_uncommitted';

const FETCH_BYTES = 4 * 1024 * 1024;
const TRIES_MAX = 2_400;
const LOOK_MS = 50;
/** Each waits for half a second. */
const EMPTY_MAX = 120;
const LATEST = -1n;
const CONTROL = 0x20;
const TRANSACTIONAL = 0x10;

type FetchedPartition = fetchV16.FetchResponse['responses'][number]['partitions'][number];

/** Everything from the beginning to where a consumer with this isolation gets now. */
export async function recordsOf(
  bootstrap: string,
  topic: string,
  isolation: Isolation = 'read_committed',
): Promise<TopicRecord[]> {
  return whenLed(() => readAll(bootstrap, topic, isolation));
}

async function readAll(
  bootstrap: string,
  topic: string,
  isolation: Isolation,
): Promise<TopicRecord[]> {
  const leaders = await Leaders.of(bootstrap, topic);
  try {
    const records: TopicRecord[] = [];
    for (const { partition, leaderId } of leaders.partitions) {
      const at = { topic, topicId: leaders.topicId, partition };
      const connection = await leaders.connect(leaderId);
      records.push(...(await recordsOfPartition(connection, at, isolation)));
    }
    return records;
  } finally {
    await leaders.close();
  }
}

/** Where a consumer with this isolation gets, summed over the partitions. */
export async function endOf(
  bootstrap: string,
  topic: string,
  isolation: Isolation,
): Promise<number> {
  return whenLed(() => sumOfEnds(bootstrap, topic, isolation));
}

async function sumOfEnds(bootstrap: string, topic: string, isolation: Isolation): Promise<number> {
  const leaders = await Leaders.of(bootstrap, topic);
  try {
    let sum = 0;
    for (const { partition, leaderId } of leaders.partitions) {
      const connection = await leaders.connect(leaderId);
      sum += Number(await endOffset(connection, topic, partition, isolation));
    }
    return sum;
  } finally {
    await leaders.close();
  }
}

/**
 * A transaction that was ended is seen to be a moment later: its markers are written behind the answer.
 *
 * @param withinMs Less than the timeout of transactions, which would end them, too.
 */
export async function expectNothingOpen(
  bootstrap: string,
  topic: string,
  withinMs = 120_000,
): Promise<void> {
  const isOpen = async (): Promise<boolean> =>
    (await endOf(bootstrap, topic, 'read_committed')) <
    (await endOf(bootstrap, topic, 'read_uncommitted'));
  const until = systemClock.monotonicMs() + withinMs;
  while (await isOpen()) {
    expect(systemClock.monotonicMs(), `a transaction stays open in ${topic}`).toBeLessThan(until);
    await sleep(systemClock, LOOK_MS);
  }
}

/** A partition that was made a moment ago, or whose broker was started, may have no leader yet. */
async function whenLed<R>(read: () => Promise<R>): Promise<R> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await read();
    } catch (error) {
      const mayPass = error instanceof ResponseError || error instanceof NetworkError;
      if (!mayPass || tries === TRIES_MAX) throw error;
      await sleep(systemClock, LOOK_MS);
    }
  }
}

interface At {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
}

async function recordsOfPartition(
  connection: Connection,
  at: At,
  isolation: Isolation,
): Promise<TopicRecord[]> {
  const end = await endOffset(connection, at.topic, at.partition, isolation);
  const records: TopicRecord[] = [];
  let offset = 0n;
  for (let empty = 0; offset < end;) {
    const partition = await fetchAt(connection, at, offset, isolation);
    const before = offset;
    offset = take(records, partition, at.partition, offset, isolation);
    // One that has just come to lead, or is busy, may have nothing to give for a moment.
    empty = offset === before ? empty + 1 : 0;
    if (empty === EMPTY_MAX)
      throw new TypeError(`nothing at ${offset} of ${at.topic}, before ${end}`);
  }
  return records;
}

/** Adds what a consumer sees of an answer; returns where the next fetch begins. */
function take(
  records: TopicRecord[],
  fetched: FetchedPartition,
  partition: number,
  from: bigint,
  isolation: Isolation,
): bigint {
  const aborted = (isolation === 'read_committed' ? (fetched.abortedTransactions ?? []) : [])
    .map(({ producerId, firstOffset }) => ({ producerId, firstOffset }))
    .sort((a, b) => Number(a.firstOffset - b.firstOffset));
  const dead = new Set<bigint>();
  let next = from;
  for (const batch of fetched.records ?? []) {
    const last = batch.firstOffset + BigInt(batch.lastOffsetDelta);
    while (aborted[0] !== undefined && aborted[0].firstOffset <= last) {
      dead.add(aborted[0].producerId);
      aborted.shift();
    }
    next = last + 1n;
    if ((batch.attributes & CONTROL) !== 0) {
      // The type of the marker: 0 ends an aborted transaction.
      if (batch.records[0]?.key?.readInt16BE(2) === 0) dead.delete(batch.producerId);
      continue;
    }
    if ((batch.attributes & TRANSACTIONAL) !== 0 && dead.has(batch.producerId)) continue;
    for (const record of batch.records) {
      const offset = batch.firstOffset + BigInt(record.offsetDelta);
      if (offset < from) continue;
      records.push({
        partition,
        offset: Number(offset),
        timestampMs: Number(batch.firstTimestamp + record.timestampDelta),
        key: textOf(record.key),
        value: textOf(record.value),
        headers: Object.fromEntries(
          record.headers.map(([name, value]) => [String(name), textOf(value)]),
        ),
      });
    }
  }
  return next;
}

function textOf(bytes: Buffer | null | undefined): string | null {
  return bytes === null || bytes === undefined ? null : bytes.toString('utf8');
}

async function fetchAt(
  connection: Connection,
  { topicId, partition }: At,
  offset: bigint,
  isolation: Isolation,
): Promise<FetchedPartition> {
  const wanted = {
    partition,
    currentLeaderEpoch: -1,
    fetchOffset: offset,
    lastFetchedEpoch: -1,
    partitionMaxBytes: FETCH_BYTES,
  };
  const { responses } = await fetchV16.api.async(
    connection,
    500,
    1,
    FETCH_BYTES,
    isolation === 'read_committed' ? 1 : 0,
    0,
    -1,
    [{ topicId, partitions: [wanted] }],
    [],
    '',
  );
  const fetched = responses[0]?.partitions[0];
  if (fetched === undefined) throw new TypeError('no answer to a fetch');
  return fetched;
}

async function endOffset(
  connection: Connection,
  topic: string,
  partition: number,
  isolation: Isolation,
): Promise<bigint> {
  const { topics } = await listOffsetsV8.api.async(
    connection,
    -1,
    isolation === 'read_committed' ? 1 : 0,
    [
      {
        name: topic,
        partitions: [{ partitionIndex: partition, currentLeaderEpoch: -1, timestamp: LATEST }],
      },
    ],
  );
  return topics[0]?.partitions[0]?.offset ?? 0n;
}
