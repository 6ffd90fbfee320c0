/*
 * Goal: a writer that runs for longer than its keys are good for goes on, and a write that may have been made
 * is not made again.
 * Method: files in memory that refuse operations by the number of their keys; a clock that is moved by hand.
 */
import { expect, test } from 'vitest';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { EngineError } from '../../common/errors.ts';
import { RenewedTableIo, type TimedAccess } from './renewed-table-io.ts';
import type { TableIo } from './table-io.ts';

const refusedKeys = new EngineError('STO-020', 'invalid', 'the keys are refused', { hint: 'No.' });
const refusedWrite = (cause: unknown, code = 'STO-006') =>
  new EngineError(code, 'unavailable', 'a write is refused', { hint: 'No.', cause });

interface Keys {
  readonly number: number;
  readonly fails?: Error;
}

function filesWith({ number, fails }: Keys, used: number[]): TableIo {
  const operate = <R>(result: R): Promise<R> => {
    used.push(number);
    return fails === undefined ? Promise.resolve(result) : Promise.reject(fails);
  };
  return {
    root: 's3://lake/t',
    read: () => operate(new Uint8Array()),
    readPart: () => operate(new Uint8Array()),
    exists: () => operate(true),
    create: () => operate('done' as const),
    replace: () => operate(undefined),
    list: async function* () {
      await operate(undefined);
      yield { location: 's3://lake/t/x', sizeBytes: 1, modifiedMs: 0 };
    },
    delete: () => operate(undefined),
  };
}

/** Each renewal gives the next of these. */
function renewed(all: readonly (Keys & { readonly expiresAtMs?: number })[]) {
  const clock = new ManualClock();
  const used: number[] = [];
  const startMs = clock.wallMs();
  const endOf = (ms: number | undefined) => (ms === undefined ? undefined : startMs + ms);
  const access = (number: number): TimedAccess => ({
    io: filesWith({ ...all[number], number }, used),
    expiresAtMs: endOf(all[number]?.expiresAtMs),
  });
  let renewals = 0;
  const state = { isAway: false };
  const renew = (): Promise<TimedAccess> => {
    if (state.isAway) return Promise.reject(new TypeError('the catalog is away'));
    return Promise.resolve(access(++renewals));
  };
  const io = new RenewedTableIo(access(0), renew, clock);
  return { io, clock, used, state, renewals: () => renewals };
}

const MINUTE_MS = 60_000;

test('keys are renewed before they end, once', async () => {
  const { io, clock, used, renewals } = renewed([
    { number: 0, expiresAtMs: 60 * MINUTE_MS },
    { number: 1, expiresAtMs: 120 * MINUTE_MS },
  ]);
  await io.read('x');
  await clock.advance(54 * MINUTE_MS);
  await io.read('x');
  expect(used).toEqual([0, 0]);
  await clock.advance(2 * MINUTE_MS);
  await Promise.all([io.read('x'), io.create('y', new Uint8Array()), io.exists('x')]);
  expect(used.slice(2)).toEqual([1, 1, 1]);
  expect(renewals()).toBe(1);
});

test('keys of a short life are not renewed for each request', async () => {
  const { io, clock, used } = renewed([
    { number: 0, expiresAtMs: 2 * MINUTE_MS },
    { number: 1, expiresAtMs: 4 * MINUTE_MS },
  ]);
  for (let n = 0; n < 3; n++) await io.read('x');
  await clock.advance(MINUTE_MS);
  await io.read('x');
  expect(used).toEqual([0, 0, 0, 1]);
});

test('keys that are good are used on while the catalog is away', async () => {
  const { io, clock, used, state } = renewed([{ number: 0, expiresAtMs: 60 * MINUTE_MS }]);
  state.isAway = true;
  await clock.advance(58 * MINUTE_MS);
  await io.read('x');
  expect(used).toEqual([0]);
  await clock.advance(3 * MINUTE_MS);
  await expect(io.read('x')).rejects.toThrow('the catalog is away');
});

test.each([
  ['a read', (io: TableIo) => io.read('x'), refusedKeys],
  ['a read of a part', (io: TableIo) => io.readPart('x', 0, 1), refusedKeys],
  ['a write', (io: TableIo) => io.create('x', new Uint8Array()), refusedWrite(refusedKeys)],
  ['a deletion', (io: TableIo) => io.delete(['x']), refusedWrite(refusedKeys)],
] as const)('%s that certainly did nothing is made again with new keys', async (_, act, fails) => {
  const { io, used } = renewed([{ number: 0, fails }, { number: 1 }]);
  await act(io);
  await act(io);
  expect(used).toEqual([0, 1, 1]);
});

test.each([
  ['may have been made', refusedWrite(refusedKeys, 'STO-001')],
  ['was refused for another reason', refusedWrite(new TypeError('full'))],
])('a write that %s is not made again', async (_, fails) => {
  const { io, used } = renewed([{ number: 0, fails }, { number: 1 }]);
  await expect(io.create('x', new Uint8Array())).rejects.toBe(fails);
  expect(used).toEqual([0]);
});

test('keys that are refused at once, too, are not asked for for ever', async () => {
  const { io, used } = renewed([0, 1, 2].map((number) => ({ number, fails: refusedKeys })));
  await expect(io.read('x')).rejects.toBe(refusedKeys);
  expect(used).toEqual([0, 1]);
});
