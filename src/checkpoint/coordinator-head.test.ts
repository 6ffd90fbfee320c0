import { describe, expect, it } from 'vitest';
import { CoordinatorHarness, emptySnapshot } from '../../test/support/coordinator-harness.ts';
import type { OperatorSnapshot } from '../contracts/snapshots.ts';
import { sweepScope } from './checkpoint-coordinator.ts';
import type { CoordinatorSettings } from './coordinator-types.ts';

const SAVEPOINT = { kind: 'savepoint', requestId: 's1', directory: undefined, notes: {} } as const;

function started(settings: Partial<CoordinatorSettings> = {}): CoordinatorHarness {
  const harness = new CoordinatorHarness(settings);
  harness.start();
  return harness;
}

// Once a move of HEAD that nobody answered was waited for without end: no checkpoint came after it, and
// neither a restart nor a cancel got past it.
describe('a HEAD that does not say whether it was moved', () => {
  const FILES = ['job/shared/count-1', 'job/shared/count-2'];

  /** Checkpoint 1 is complete; HEAD was asked to move to 2, which has new files. */
  function moving(settings: Partial<CoordinatorSettings> = {}): CoordinatorHarness {
    const harness = started({ tolerableFailures: 0, ...settings });
    harness.advance(1000);
    harness.settle();
    harness.advance(1000);
    harness.settle('send-barriers');
    const files = [...FILES];
    for (const task of harness.state.tasks.values()) {
      const file = task.vertex === 'sink' ? files.pop() : undefined;
      harness.ack(task, 2, file === undefined ? undefined : [withFile(task.subtask, file)]);
    }
    harness.unanswered = harness.unanswered.filter(({ kind }) => kind !== 'send-barriers');
    harness.settle('move-head');
    expect(harness.last('move-head').checkpointId).toBe(2);
    return harness;
  }

  function withFile(subtask: number, path: string): OperatorSnapshot {
    const blob = { kind: 'blob', path, sizeBytes: 9, crc32: 1 } as const;
    const keyGroups = { start: 0, end: 127 };
    return {
      ...emptySnapshot('sink', subtask),
      keyed: [{ blob, keyGroups, checkpointId: 2, rows: 1 }],
    };
  }

  function noAnswer(harness: CoordinatorHarness, outcome: 'unknown' | 'refused' = 'unknown'): void {
    harness.unanswered = [];
    harness.send({ kind: 'head-failed', checkpointId: 2, outcome, message: 'STO-001: EIO' });
  }

  /** Answers `unknown` to each question, until time is up. */
  function silence(harness: CoordinatorHarness, ms: number): void {
    for (let passedMs = 0; passedMs < ms; passedMs += 500) {
      if (harness.unanswered.some(({ kind }) => kind === 'move-head')) noAnswer(harness);
      harness.advance(500);
    }
  }

  it('fails the checkpoint and discards its files when it was refused for certain', () => {
    const harness = moving({ tolerableFailures: 1 });
    noAnswer(harness, 'refused');
    expect(harness.last('discard').files.toSorted()).toEqual(FILES);
    expect(harness.last('notify-aborted').checkpointId).toBe(2);
    expect(harness.actions('fail-job')).toEqual([]);
    expect(harness.state.consecutiveFailures).toBe(1);
    harness.advance(1000);
    harness.settle();
    expect(harness.completed()).toEqual([1, 3]);
  });

  it('fails the job when it is refused more often than is tolerable', () => {
    const harness = moving();
    noAnswer(harness, 'refused');
    expect(harness.last('fail-job')).toMatchObject({
      restartable: true,
      error: { code: 'CHK-009', details: { last: expect.stringContaining('STO-001: EIO') } },
    });
  });

  it('is asked again until the timeout, then fails the job and touches nothing of the checkpoint', () => {
    const harness = moving();
    silence(harness, 4500);
    expect(harness.actions('move-head').length).toBeGreaterThan(3);
    expect(harness.actions('fail-job')).toEqual([]);
    silence(harness, 1000);
    expect(harness.last('fail-job')).toMatchObject({
      restartable: true,
      error: { code: 'CHK-012', kind: 'unavailable', details: { checkpoint: 2, waitedMs: 5000 } },
    });
    expect(harness.actions('discard')).toEqual([]);
    expect(harness.actions('notify-aborted')).toEqual([]);
    expect(harness.completed()).toEqual([1]);
    expect(sweepScope(harness.state).pendingIds).toContain(2);
    // An answer that comes now changes nothing any more.
    harness.send({ kind: 'head-moved', checkpointId: 2, idsThrough: 8, dropped: [1] });
    expect(harness.completed()).toEqual([1]);
  });

  it('gives up on a storage that never answers at all', () => {
    const harness = moving();
    harness.advance(5000);
    expect(harness.last('fail-job')).toMatchObject({ error: { code: 'CHK-012' } });
  });

  it.each([1, 2])(
    'spares its files until an attempt has restored %i, or HEAD was changed',
    (named) => {
      const harness = moving();
      silence(harness, 5500);
      harness.send({ kind: 'suspend', reason: 'task-failed' });
      expect(harness.last('quiesced').latest?.checkpointId).toBe(1);
      expect(sweepScope(harness.state).pendingIds).toContain(2);
      const location = { storeUrl: undefined, folder: `job/chk-${named}` };
      const files = new Set(named === 2 ? FILES : []);
      const checkpoint = {
        checkpointId: named,
        kind: 'checkpoint',
        location,
        url: '',
        files,
      } as const;
      harness.start({ checkpoint, committables: [], full: false });
      expect(sweepScope(harness.state).pendingIds).not.toContain(2);
      expect(sweepScope(harness.state).files).toEqual(files);
      harness.advance(1000);
      harness.settle();
      // 3 was begun, and went with the attempt.
      expect(harness.completed()).toEqual([1, 4]);
    },
  );

  it.each(['suspend', 'close'] as const)('is waited for ten seconds at most after %s', (kind) => {
    const harness = moving({ timeoutMs: 600_000 });
    silence(harness, 3000);
    harness.send(kind === 'close' ? { kind } : { kind, reason: 'suspended' });
    silence(harness, 9500);
    expect(harness.actions('quiesced')).toEqual([]);
    expect(harness.state.pending.size).toBe(1);
    silence(harness, 1000);
    expect(harness.actions('quiesced')).toHaveLength(kind === 'suspend' ? 1 : 0);
    expect(harness.state.pending.size).toBe(0);
    expect(harness.actions('fail-job')).toEqual([]);
    expect(harness.actions('discard')).toEqual([]);
    const [failure] = harness.state.history.finished.filter(
      ({ checkpointId }) => checkpointId === 2,
    );
    expect(failure?.failure).toMatchObject({
      reason: 'in-doubt',
      message: expect.stringMatching(/HEAD may or may not name .* STO-001: EIO/),
    });
  });

  it('is not waited for longer when its metadata is stored only after the job was suspended', () => {
    const harness = started({ timeoutMs: 600_000 });
    harness.advance(1000);
    harness.settle('store-metadata');
    harness.send({ kind: 'suspend', reason: 'suspended' });
    harness.settle('move-head');
    harness.advance(10_000);
    expect(harness.actions('quiesced')).toHaveLength(1);
  });

  it('only fails an intermediate savepoint, which HEAD never names', () => {
    const harness = started({ intervalMs: 0 });
    harness.send({ kind: 'trigger', request: SAVEPOINT });
    harness.settle('move-head');
    harness.advance(5000);
    expect(harness.actions('fail-job')).toEqual([]);
    expect(harness.last('discard').savepoint).toBeDefined();
    expect(harness.last('reply').outcome).toMatchObject({ kind: 'failed', reason: 'store-failed' });
    expect(sweepScope(harness.state).pendingIds).toEqual(new Set());
  });

  it('answers a stop that it leaves in doubt', () => {
    const harness = started({ intervalMs: 0 });
    harness.send({ kind: 'trigger', request: { ...SAVEPOINT, kind: 'stop', drain: false } });
    harness.settle('move-head');
    harness.advance(5000);
    expect(harness.last('reply').outcome).toMatchObject({ kind: 'failed', reason: 'in-doubt' });
    expect(harness.last('fail-job')).toMatchObject({ error: { code: 'CHK-012' } });
    expect(harness.actions('discard')).toEqual([]);
  });
});
