/*
 * Goal: the table finds each row, through growth, removal and reuse, whatever its keys are.
 * Method: long random runs against a Map, with few hash bits so that rows collide.
 * Replay: fast-check prints the seed and path of a failure.
 */
import { describe, expect, test } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { keyHash } from '../common/key-hash.ts';
import { encodeKey } from '../serde/key-serializer.ts';
import { KeyContext } from './key-context.ts';
import { Table } from './table.ts';

const MAX_PARALLELISM = 16;

function newTable(context = new KeyContext()): Table {
  const range = { start: 0, end: MAX_PARALLELISM - 1 };
  return new Table({ context, range, maxParallelism: MAX_PARALLELISM, expires: false });
}

const MAKE_KEY: Readonly<Record<string, (n: number) => unknown>> = {
  int: (n) => n - 500,
  string: (n) => `key ${n}`,
  tuple: (n) => [n % 30, `x${n}`],
  mixed: (n) => [n, `${n}`, n + 0.5, [n], { a: n, b: 'x' }, BigInt(n), NaN][n % 7],
};

describe.each(Object.keys(MAKE_KEY))('table of %s keys', (kind) => {
  test('is what a Map is', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(800), fc.nat(3), fc.nat(5)), { maxLength: 3_000, size: 'max' }),
        (operations) => {
          const context = new KeyContext();
          const table = newTable(context);
          const model = new Map<string, number>();
          for (const [n, window, what] of operations) {
            const key = MAKE_KEY[kind]?.(n);
            context.setKey(key, keyHash(key));
            context.setNamespace(window === 0 ? undefined : { start: window, end: window + 1 });
            const id = `${Buffer.from(encodeKey(key)).toString('hex')} ${window}`;
            const row = table.locate();
            expect(row < 0 ? undefined : table.vals[row]).toBe(model.get(id));
            if (what === 0 && row >= 0) {
              table.remove(row);
              model.delete(id);
            } else if (what > 1) {
              table.vals[row < 0 ? table.create() : row] = n;
              model.set(id, n);
            }
            // Half the rows look as if a base held them, so that tombstones come and go.
            const now = table.locate();
            if (what === 5 && now >= 0) table.markHeld(now);
          }
          expect(table.liveRows).toBe(model.size);
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe('table', () => {
  test('frees tombstones once a confirmed checkpoint has them, and not before', () => {
    const context = new KeyContext();
    const table = newTable(context);
    const at = (key: number) => {
      context.setKey(key, keyHash(key));
      return table.locate();
    };
    for (let key = 0; key < 100; key++) {
      at(key);
      table.markHeld(table.create());
    }
    for (let key = 0; key < 50; key++) table.remove(at(key));
    expect(table.tombstoneRows).toBe(50);
    table.seal(2);
    // Comes back: its tombstone must not be forgotten with the others.
    at(7);
    table.create();
    table.forgetUntil(1);
    expect(table.tombstoneRows).toBe(0);
    expect(table.liveRows).toBe(51);
    for (let key = 0; key < 100; key++) expect(at(key) >= 0).toBe(key === 7 || key >= 50);
    for (let key = 200; key < 249; key++) {
      at(key);
      table.create();
    }
    expect(table.rowCount).toBe(100);
  });

  test('keeps dirty lists bounded while nothing is confirmed', () => {
    const context = new KeyContext();
    const table = newTable(context);
    for (let epoch = 1; epoch < 200; epoch++) {
      for (let key = 0; key < 500; key++) {
        context.setKey(key, keyHash(key));
        const row = table.locate();
        if (row < 0) table.create();
        else if (table.rowEpoch[row] !== table.epoch) table.markDirty(row);
      }
      table.seal(epoch + 1);
    }
    const total = table.dirtySince(-1).reduce((sum, { rows }) => sum + rows.length, 0);
    expect(total).toBeLessThanOrEqual(2 * 500 + 1024);
  });
});
