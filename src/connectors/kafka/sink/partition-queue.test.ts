import { describe, expect, test } from 'vitest';
import { fc } from '../../../../test/support/property.ts';
import { IN_FLIGHT_MAX, PartitionQueue } from './partition-queue.ts';

interface Numbered {
  readonly owner: object;
  readonly n: number;
}

const OWNER = {};

function queueOf(count: number, owner: object = OWNER) {
  const queue = new PartitionQueue<Numbered>();
  const batches = Array.from({ length: count }, (_, n) => ({ owner, n }));
  for (const batch of batches) queue.add(batch);
  return { queue, batches };
}

function sendAll(queue: PartitionQueue<Numbered>): number[] {
  const sent: number[] = [];
  for (let batch = queue.next(); batch !== undefined; batch = queue.next()) sent.push(batch.n);
  return sent;
}

describe('batches of a partition', () => {
  test('are sent in order, up to the limit', () => {
    const { queue, batches } = queueOf(7);
    expect(sendAll(queue)).toEqual([0, 1, 2, 3, 4]);
    expect(IN_FLIGHT_MAX).toBe(5);
    for (const batch of batches.slice(0, 2)) queue.done(batch);
    expect(sendAll(queue)).toEqual([5, 6]);
  });

  test('wait when one has come back, until all others are answered', () => {
    const { queue, batches } = queueOf(6);
    sendAll(queue);
    const [zero, one, two, three, four] = batches;
    if (!zero || !one || !two || !three || !four) throw new TypeError('too few');
    queue.done(zero);
    queue.again(two);
    expect(sendAll(queue)).toEqual([]);
    queue.again(four);
    queue.again(one);
    expect(sendAll(queue)).toEqual([]);
    // The broker had it, only the answer to the one before was lost.
    queue.done(three);
    expect(sendAll(queue)).toEqual([1, 2, 4, 5]);
  });

  test('of two transactions are never in flight together', () => {
    const { queue, batches } = queueOf(2);
    queue.add({ owner: {}, n: 2 });
    expect(sendAll(queue)).toEqual([0, 1]);
    const [zero, one] = batches;
    if (!zero || !one) throw new TypeError('too few');
    queue.done(zero);
    expect(sendAll(queue)).toEqual([]);
    queue.done(one);
    expect(sendAll(queue)).toEqual([2]);
  });

  test('the oldest one is known', () => {
    const { queue, batches } = queueOf(3);
    sendAll(queue);
    const [zero, one] = batches;
    if (!zero || !one) throw new TypeError('too few');
    queue.again(zero);
    expect([queue.isOldest(zero), queue.isOldest(one)]).toEqual([true, false]);
    queue.again(one);
    queue.done(zero);
    expect(queue.isOldest(one)).toBe(true);
  });

  test('reach a broker that takes them in order only, whatever fails, and once each', () => {
    const answers = fc.array(fc.constantFrom('ok', 'lost-request', 'lost-answer'), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), answers, (count, script) => {
        const { queue } = queueOf(count);
        const log: number[] = [];
        const faults = [...script];
        for (let rounds = 0; !queue.isIdle; rounds++) {
          expect(rounds).toBeLessThan(1_000);
          const inFlight: Numbered[] = [];
          for (let batch = queue.next(); batch !== undefined; batch = queue.next())
            inFlight.push(batch);
          expect(inFlight.length).toBeGreaterThan(0);
          for (const batch of inFlight) {
            const fault = faults.shift() ?? 'ok';
            const isInOrder = batch.n <= log.length;
            // A broker with idempotence: appends the next one, knows the ones before, refuses others.
            if (fault !== 'lost-request' && batch.n === log.length) log.push(batch.n);
            if (fault === 'ok' && isInOrder) queue.done(batch);
            else queue.again(batch);
          }
        }
        expect(log).toEqual(Array.from({ length: count }, (_, n) => n));
      }),
    );
  });
});
