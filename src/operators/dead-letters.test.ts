import { describe, expect, test } from 'vitest';
import type { DeadLetter } from '../contracts/dead-letter.ts';
import { systemClock } from '../common/clock.ts';
import { EngineError } from '../common/errors.ts';
import type { KeyedProcessFunction } from '../contracts/functions.ts';
import type { OutputTag } from '../contracts/output.ts';
import type { StateDescriptors, ValueStateDescriptor } from '../contracts/state.ts';
import { serializerOf } from '../serde/structural-serializer.ts';
import { AsyncMapOperator } from './async-map-operator.ts';
import { GuardedOperator } from './guarded-operator.ts';
import { KeyedProcessOperator } from './keyed-process-operator.ts';
import { OperatorHarness } from './operator-harness.ts';
import { ProcessOperator } from './process-operator.ts';

interface Box {
  n: number;
}

const box: ValueStateDescriptor<Box> = {
  kind: 'value',
  name: 'box',
  ttl: undefined,
  serializer: serializerOf({
    kind: 'object',
    fields: [{ name: 'n', type: { kind: 'float64' }, optional: false }],
  }),
  defaultValue: undefined,
};
const late: OutputTag<string> = { kind: 'output-tag', id: 'late' };

type Process = KeyedProcessFunction<number, number, { readonly box: typeof box }, unknown>;

function keyed(process: Process) {
  return OperatorHarness.open({
    create: () => new KeyedProcessOperator(process as never, { box } as StateDescriptors, true),
    keys: [(n) => Math.trunc((n as number) / 100)],
  });
}

function lettersOf(harness: OperatorHarness): DeadLetter[] {
  return harness
    .takeAll()
    .flatMap((one) =>
      one.kind === 'side' && one.tagId === '~dead-letters' ? [one.value as DeadLetter] : [],
    );
}

describe('a record on which a function throws', () => {
  test('is a letter that says all about it', async () => {
    const harness = await OperatorHarness.open({
      create: () =>
        new GuardedOperator(() => {
          throw Object.assign(new TypeError('no such unit'), { code: 'E_UNIT' });
        }),
    });
    harness.clock.advanceTo(Date.UTC(2026, 0, 31, 12));
    harness.element({ unit: 'stone', n: 12n }, 5);

    const [letter] = lettersOf(harness);
    expect(letter).toMatchObject({
      version: 1,
      id: 'w-0-tested-0',
      job: 'job',
      operator: 'tested',
      subtask: 0,
      attempt: 0,
      failedAt: '2026-01-31T12:00:00.000Z',
      errorName: 'TypeError',
      errorCode: 'E_UNIT',
      errorMessage: 'no such unit',
      eventTime: '1970-01-01T00:00:00.005Z',
      key: null,
      source: null,
      position: null,
      record: '{"unit":"stone","n":{"$type":"bigint","value":"12"}}',
      recordExact: true,
    });
    expect(letter?.errorStack).toContain('dead-letters.test.ts');
  });

  test('has emitted nothing, and the next one does', async () => {
    const harness = await OperatorHarness.open({
      create: () =>
        new ProcessOperator(
          {
            processElement(value, { out, side, timestamp }) {
              out.emit([value, timestamp]);
              out.emitAt('later', 99);
              side(late, 'aside');
              if (value === 'bad') throw new TypeError('bad');
            },
          },
          true,
        ),
    });
    harness.element('bad', 1);
    expect(lettersOf(harness)).toHaveLength(1);

    harness.element('good', 2);
    expect(harness.takeAll()).toMatchObject([
      { kind: 'element', value: ['good', 2], timestampMs: 2 },
      { kind: 'element', value: 'later', timestampMs: 99 },
      { kind: 'side', tagId: 'late', value: 'aside' },
    ]);
  });

  test('has set no timers and changed no state, not even in place', async () => {
    const fired: number[] = [];
    const harness = await keyed({
      processElement(n, { state, timers, out }) {
        const current = state.box.value() ?? { n: 0 };
        out.emit(current.n);
        current.n += n % 100;
        timers.eventTime(n);
        if (n % 2 === 0) state.box.update(current);
        if (n % 10 === 9) throw new TypeError('nine');
      },
      onTimer: (timestampMs) => {
        fired.push(timestampMs);
      },
    });
    harness.element(102, 0); // 2
    harness.element(103, 0); // Changed in place only: no update, no change.
    harness.element(119, 0); // Thrown.
    harness.element(104, 0); // 2 + 4
    harness.element(129, 0); // Thrown.
    harness.element(106, 0);
    expect(harness.take()).toEqual([0, 2, 2, 6]);
    harness.watermark(1_000);
    expect(fired).toEqual([102, 103, 104, 106]);
  });

  test('tells its key', async () => {
    const harness = await keyed({
      processElement() {
        throw new RangeError('always');
      },
    });
    harness.element(700, 0);
    expect(lettersOf(harness)).toMatchObject([
      { key: '7', record: '700', errorName: 'RangeError' },
    ]);
  });

  test('fails the task all the same if the cause is not the record', async () => {
    const gone = new EngineError('STO-001', 'unavailable', 'the disk is gone', { hint: 'Wait.' });
    const harness = await OperatorHarness.open({
      create: () =>
        new GuardedOperator(() => {
          throw gone;
        }),
    });
    expect(() => {
      harness.element('x', 0);
    }).toThrow(gone);
    expect(harness.takeAll()).toEqual([]);
  });

  test('is told from what fails behind the operator', async () => {
    const harness = await OperatorHarness.open({
      create: () =>
        new GuardedOperator((value, out) => {
          out.emit(value);
        }),
      stopEvery: 1,
    });
    harness.element('x', 0);
    expect(harness.take()).toEqual(['x']);
  });
});

describe('a call of asyncMap that fails', () => {
  const open = (asyncMap: (value: unknown) => Promise<unknown>) =>
    OperatorHarness.open({
      create: () =>
        new AsyncMapOperator(
          {
            kind: 'async-map',
            asyncMap,
            ordered: true,
            capacity: 4,
            timeoutMs: 50,
            element: serializerOf({ kind: 'string' }),
          },
          true,
        ),
    });

  test('is a letter, in its turn', async () => {
    const harness = await open((value) => {
      if (value === 'throws') throw new TypeError('at once');
      return value === 'rejects' ? Promise.reject(new TypeError('later')) : Promise.resolve(value);
    });
    for (const value of ['a', 'throws', 'rejects', 'b']) harness.element(value, 1);
    await settled();
    harness.runMail();

    expect(
      harness
        .takeAll()
        .map((one) =>
          one.kind === 'side'
            ? (one.value as DeadLetter).errorMessage
            : 'value' in one && one.value,
        ),
    ).toEqual(['a', 'at once', 'later', 'b']);
  });

  test('takes too long: its late answer changes nothing', async () => {
    let answer: (value: string) => void = () => undefined;
    const harness = await open(
      () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    );
    harness.element('slow', 1);
    harness.advanceTo(60);
    harness.runMail();
    expect(lettersOf(harness)).toMatchObject([{ errorName: 'EngineError', errorCode: 'OPR-105' }]);
    answer('too late');
    await settled();
    harness.runMail();
    expect(harness.takeAll()).toEqual([]);
  });
});

/** All that was resolved has been told. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    systemClock.turn(resolve);
  });
}
