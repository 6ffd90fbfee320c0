import { expect, it } from 'vitest';
import { fc } from '../../test/support/property.ts';
import {
  checkpointIdOfPath,
  dataFileName,
  encodeName,
  nameRecordPath,
  stampOfFile,
} from './checkpoint-layout.ts';
import { discardsCheckpoints, retainNewest } from './retention.ts';

it('reads the stamp back from every file name', () => {
  const file = fc.record({
    checkpointId: fc.nat(),
    epoch: fc.nat(),
    attempt: fc.nat(),
    uid: fc.string({ unit: 'binary' }),
    subtask: fc.nat(40000),
    name: fc.string(),
    sequence: fc.nat(),
  });
  fc.assert(
    fc.property(file, (drawn) => {
      const name = dataFileName(drawn);
      const { checkpointId, epoch, attempt } = drawn;
      expect(stampOfFile(`job/shared/${name}`)).toEqual({ checkpointId, epoch, attempt });
      expect(name).toMatch(/^[\w~-]{1,255}$/);
    }),
  );
});

it('makes no stamp of names that are not ours', () => {
  for (const name of ['_metadata', 'HEAD', 'x-c1-e1', 'x-c1-e1-a1-1.tmp', 'fab580dc-490b-4d41']) {
    expect(stampOfFile(name)).toBeUndefined();
  }
});

it('tells the checkpoint from its folder', () => {
  expect(checkpointIdOfPath('job', 'job/chk-79/_metadata')).toBe(79);
  for (const path of ['job/chk-79', 'job/chk-x/a', 'other/chk-1/a', 'job/shared/chk-1/a']) {
    expect(checkpointIdOfPath('job', path)).toBeUndefined();
  }
});

it('encodes names so that no two meet, nor one lies within another', () => {
  expect(nameRecordPath('word-count')).toBe('by-name/word-count');
  expect(encodeName('a/b ü')).toBe('a%2fb%20%c3%bc');
  const name = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ minLength: 195, maxLength: 410 }),
  );
  fc.assert(
    fc.property(name, name, (a, b) => {
      const [x, y] = [encodeName(a), encodeName(b)];
      expect(x === y).toBe(a === b);
      if (x !== y) expect(x.startsWith(`${y}/`) || y.startsWith(`${x}/`)).toBe(false);
    }),
  );
});

it('retains as Flink does', () => {
  const ends = ['finished', 'stopped', 'canceled', 'failed'] as const;
  const table = {
    NO_EXTERNALIZED_CHECKPOINTS: [true, true, true, true],
    DELETE_ON_CANCELLATION: [true, true, true, false],
    RETAIN_ON_CANCELLATION: [true, true, false, false],
  } as const;
  for (const retention of Object.keys(table) as (keyof typeof table)[]) {
    expect(ends.map((end) => discardsCheckpoints(retention, end))).toEqual(table[retention]);
  }
  expect(retainNewest([1, 2, 3], 2)).toEqual([2, 3]);
  expect(retainNewest([1, 2, 3], 0)).toEqual([3]);
});
