/*
 * Goal: five ways in which deltas lose or revive state, each of which a real engine has fallen into.
 * Method: each story is played twice: as it is, where the snapshot must be what plain Maps were at
 * its barrier, and with one safeguard disabled, where the same comparison must fail.
 * Replay: the stories have no chance in them.
 */
import { describe, expect, test } from 'vitest';
import type { BackendPlants } from './hashmap-backend.ts';
import { KeyedStateModel, type Finished } from './keyed-state-model.ts';
import { REWRITE_POLICY } from './run-chain.ts';

const KEYS = Array.from({ length: 200 }, (_, i) => i);
/** Of a state as small as this, everything would be rewritten each time. */
const rewrite = { ...REWRITE_POLICY, leastBytes: 0 };
const COUNT = 0;
const DOC = 1;
const CLEAR = 2;
const SHORT = 12;

interface Trap {
  readonly name: string;
  readonly plant: BackendPlants;
  /** Returns the snapshot that must be right. */
  readonly story: (model: KeyedStateModel) => Promise<Finished>;
}

/** A confirmed checkpoint that holds a count and a document for each key. */
async function confirmedBase(model: KeyedStateModel): Promise<void> {
  for (const key of KEYS) {
    model.change(key, undefined, COUNT, key + 1);
    model.change(key, undefined, DOC, key + 1);
  }
  await checkpoint(model);
  model.confirm();
}

async function checkpoint(model: KeyedStateModel): Promise<Finished> {
  model.barrier('checkpoint', false);
  return finished(model);
}

async function finished(model: KeyedStateModel): Promise<Finished> {
  const result = await model.finish();
  if (result === undefined) expect.unreachable('no snapshot was running');
  return result;
}

const TRAPS: readonly Trap[] = [
  {
    name: 'a value that is changed through value() while the snapshot drains',
    plant: { keepNoImages: true },
    story: async (model) => {
      await confirmedBase(model);
      for (const key of KEYS) model.change(key, undefined, DOC, 1);
      model.barrier('checkpoint', false);
      model.drain(3);
      for (const key of KEYS) {
        const value = model.at(key, undefined).doc.value();
        // Not followed by `update`: it must not count, and least of all in an older snapshot.
        if (value !== undefined) value.n = -1;
      }
      return finished(model);
    },
  },
  {
    name: 'an aborted checkpoint between two deltas',
    plant: { forgetOnAbort: true },
    story: async (model) => {
      await confirmedBase(model);
      for (const key of KEYS.slice(0, 50)) model.change(key, undefined, COUNT, 1000);
      await checkpoint(model);
      model.abort();
      model.change(199, undefined, COUNT, 1000);
      return checkpoint(model);
    },
  },
  {
    name: 'a deleted key that the base still holds',
    plant: { noTombstones: true },
    story: async (model) => {
      await confirmedBase(model);
      for (const key of KEYS.slice(0, 50)) model.change(key, undefined, CLEAR, 1);
      model.change(199, undefined, COUNT, 1000);
      return checkpoint(model);
    },
  },
  {
    name: 'an entry that expired before the delta, over an older one with a later time in the base',
    plant: { skipExpiredInDelta: true },
    story: async (model) => {
      model.ttlMs = 1_000_000;
      await model.fail(1);
      for (const key of KEYS) model.change(key, undefined, SHORT, 1);
      await confirmedBase(model);
      model.ttlMs = 10;
      await model.fail(1);
      for (const key of KEYS.slice(0, 50)) model.change(key, undefined, SHORT, 2);
      // Not `advance`, whose clean-up would find them first.
      model.nowMs += 20;
      return checkpoint(model);
    },
  },
  {
    name: 'a savepoint between two deltas',
    plant: { savepointEndsDirtySet: true },
    story: async (model) => {
      await confirmedBase(model);
      for (const key of KEYS.slice(0, 50)) model.change(key, undefined, COUNT, 1000);
      model.barrier('savepoint', false);
      await finished(model);
      model.confirm();
      model.change(199, undefined, COUNT, 1000);
      return checkpoint(model);
    },
  },
];

describe.each(TRAPS)('$name', ({ plant, story }) => {
  test('does no harm', async () => {
    const model = new KeyedStateModel(KEYS, 1, { rewrite });
    const { actual, expected } = await model.compare(await story(model), 1);
    expect(actual).toEqual(expected);
  });

  test('would be found without its safeguard', async () => {
    const model = new KeyedStateModel(KEYS, 1, { rewrite, plants: plant });
    const { actual, expected } = await model.compare(await story(model), 1);
    expect(actual).not.toEqual(expected);
  });
});
