import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter } from '../../../serde/bytes.ts';
import type { Serializer } from '../../../serde/serializer.ts';
import { kafkaEnumeratorState, type KafkaSplit, kafkaSplits } from './kafka-split.ts';
import { boundOf, isBound, rebound } from './split-bound.ts';

const SPLIT: KafkaSplit = { topic: 't', partition: 1, topicId: 'id', offset: 5 };
const AT_LATEST = { ...SPLIT, stopOffset: 9, bound: 'latest' };

function roundTrip<T>(serializer: Serializer<T>, value: T): T {
  const writer = new ByteWriter();
  serializer.write(value, writer);
  return serializer.read(new ByteReader(writer.finish()));
}

describe('the end of a split', () => {
  it('stays while the setting stays', () => {
    expect(rebound(AT_LATEST, 'latest')).toEqual(AT_LATEST);
    const offsets = { offsets: { 't-1': 9, 't-0': 3 } };
    const split = { ...SPLIT, stopOffset: 9, bound: boundOf(offsets) };
    expect(rebound(split, { offsets: { 't-0': 3, 't-1': 9 } })).toEqual(split);
  });

  it.each([
    ['another one', { timestampMs: 5 }],
    ['none', undefined],
  ] as const)('goes when the setting is %s', (_, bounded) => {
    const split = rebound(AT_LATEST, bounded);
    expect(split).toEqual(SPLIT);
    expect(isBound(split)).toBe(false);
  });

  it('of a snapshot that does not say what it was looked up for stays', () => {
    expect(rebound({ ...SPLIT, stopOffset: 9 }, 'latest')).toEqual(AT_LATEST);
  });
});

describe('snapshots', () => {
  it('hold ends and epochs', () => {
    const split = { ...AT_LATEST, leaderEpoch: 3 };
    expect(roundTrip(kafkaSplits, split)).toEqual(split);
    const state = { started: true, known: ['t-1'], pending: [AT_LATEST], bound: 'latest' };
    expect(roundTrip(kafkaEnumeratorState, state)).toEqual(state);
    const endless = { started: true, known: ['t-1'], pending: [SPLIT] };
    expect(roundTrip(kafkaEnumeratorState, endless)).toEqual(endless);
  });
});
