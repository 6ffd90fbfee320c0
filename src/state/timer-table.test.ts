import { expect, test } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { keyHash } from '../common/key-hash.ts';
import { compareNamespaces, compareKeys } from './canonical-order.ts';
import { KeyContext } from './key-context.ts';
import type { Namespace } from './keyed-state-backend.ts';
import { Table } from './table.ts';
import { HeapTimerTable } from './timer-table.ts';

const WINDOWS: readonly Namespace[] = [undefined, { start: 0, end: 5 }, { start: 0, end: 9 }];

interface Timer {
  readonly key: unknown;
  readonly window: number;
  readonly time: number;
}

function start() {
  const context = new KeyContext();
  const range = { start: 0, end: 3 };
  const table = new Table({ context, range, maxParallelism: 4, expires: false });
  return { context, timers: new HeapTimerTable(table) };
}

function inOrder(a: Timer, b: Timer): number {
  return (
    a.time - b.time ||
    (keyHash(a.key) >>> 0) - (keyHash(b.key) >>> 0) ||
    compareKeys(a.key, b.key) ||
    compareNamespaces(WINDOWS[a.window], WINDOWS[b.window])
  );
}

test('timers fire once, by time, key hash, key and namespace, in whatever order they were set', () => {
  const timer = fc.record({
    // 'Aa' and 'BB' have the same hash, as in Java.
    key: fc.constantFrom<unknown>(1, 2, 'Aa', 'BB', [1], [2]),
    window: fc.nat(2),
    time: fc.integer({ min: -3, max: 8 }),
  });
  fc.assert(
    fc.property(fc.array(fc.tuple(timer, fc.nat(3)), { maxLength: 200 }), (operations) => {
      const { context, timers } = start();
      const model = new Map<string, Timer>();
      for (const [one, what] of operations) {
        context.setKey(one.key, keyHash(one.key));
        context.setNamespace(WINDOWS[one.window]);
        if (what === 0) {
          timers.delete(one.time);
          model.delete(JSON.stringify(one));
        } else {
          timers.register(one.time);
          model.set(JSON.stringify(one), one);
        }
        expect(timers.size()).toBe(model.size);
      }
      const fired: Timer[] = [];
      while (timers.size() > 0) {
        const time = timers.peek();
        expect(timers.poll()).toBe(time);
        const window = WINDOWS.findIndex(
          (each) => compareNamespaces(each, context.namespace) === 0,
        );
        fired.push({ key: context.key, window, time });
      }
      expect(fired).toEqual([...model.values()].sort(inOrder));
      expect(timers.peek()).toBe(Infinity);
    }),
  );
});
