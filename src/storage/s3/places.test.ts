import { expect, it } from 'vitest';
import { deferred } from '../../common/deferred.ts';
import { mapBounded, Places } from './places.ts';

it('lets so many in at a time, first come first served, and frees a place of who fails', async () => {
  const places = new Places(2);
  const doors = [0, 1, 2, 3].map(() => deferred<undefined>());
  const entered: number[] = [];
  const all = doors.map((door, index) =>
    places.run(() => {
      entered.push(index);
      return door.promise;
    }),
  );
  const settled = Promise.allSettled(all);
  expect(entered).toEqual([0, 1]);
  doors[1]?.reject(new TypeError('x'));
  await expect(all[1]).rejects.toThrow('x');
  expect(entered).toEqual([0, 1, 2]);
  for (const door of doors) door.resolve(undefined);
  expect((await settled).map(({ status }) => status)).toEqual([
    'fulfilled',
    'rejected',
    'fulfilled',
    'fulfilled',
  ]);
  expect(entered).toEqual([0, 1, 2, 3]);
});

it('maps in order, and begins nothing behind a failure', async () => {
  expect(await mapBounded([3, 2, 1], 2, (n) => Promise.resolve(n * 2))).toEqual([6, 4, 2]);
  const begun: number[] = [];
  const failing = mapBounded([1, 2, 3, 4], 1, (n) => {
    begun.push(n);
    return n === 2 ? Promise.reject(new TypeError('no')) : Promise.resolve(n);
  });
  await expect(failing).rejects.toThrow('no');
  expect(begun).toEqual([1, 2]);
});
