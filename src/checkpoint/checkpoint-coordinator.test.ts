import { describe, expect, it } from 'vitest';
import {
  ackOf,
  CoordinatorHarness,
  emptySnapshot,
  VERTICES,
} from '../../test/support/coordinator-harness.ts';
import type { KeyedRunHandle, SerializedCommittable } from '../contracts/snapshots.ts';
import { checkpointStatistics, sweepScope } from './checkpoint-coordinator.ts';
import type { CoordinatorSettings, UserRequest } from './coordinator-types.ts';

const SAVEPOINT: UserRequest = {
  kind: 'savepoint',
  requestId: 's1',
  directory: undefined,
  notes: { label: 'pre-deploy', who: 'ann', pin: true },
};
const STOP: UserRequest = { ...SAVEPOINT, kind: 'stop', requestId: 'stop1', drain: false };
const CHECKPOINT: UserRequest = { kind: 'checkpoint', requestId: 'c1', full: false };
const TASK = { vertex: 'sink', subtask: 1, attempt: 1 };

function started(settings: Partial<CoordinatorSettings> = {}): CoordinatorHarness {
  const harness = new CoordinatorHarness(settings);
  harness.start();
  return harness;
}

describe('triggering', () => {
  it('takes the first checkpoint one interval after the tasks run, then one per interval', () => {
    const harness = started();
    harness.advance(999);
    expect(harness.begun()).toEqual([]);
    for (const id of [1, 2, 3]) {
      harness.advance(id === 1 ? 1 : 1000);
      expect(harness.begun().at(-1)).toBe(id);
      harness.settle();
    }
    expect(harness.completed()).toEqual([1, 2, 3]);
  });

  it('takes none while tasks are not running, and none without an interval', () => {
    const harness = new CoordinatorHarness();
    harness.advance(10_000);
    harness.send({ kind: 'trigger', request: CHECKPOINT });
    expect(harness.last('reply').outcome).toMatchObject({ kind: 'failed', reason: 'not-running' });
    const off = started({ intervalMs: 0 });
    off.advance(100_000);
    expect([...harness.begun(), ...off.begun()]).toEqual([]);
  });

  it('keeps the pause from the end of one to the start of the next', () => {
    const harness = started({ minPauseMs: 700, timeoutMs: 100_000 });
    harness.advance(1000);
    harness.settle('send-barriers');
    harness.advance(900);
    harness.settle();
    harness.advance(699);
    expect(harness.begun()).toEqual([1]);
    harness.advance(1);
    expect(harness.begun()).toEqual([1, 2]);
  });

  it('starts a due one as soon as there is room, and only one', () => {
    const harness = started({ timeoutMs: 100_000 });
    harness.advance(1000);
    harness.settle('send-barriers');
    harness.advance(4500);
    expect(harness.begun()).toEqual([1]);
    harness.settle();
    expect(harness.begun()).toEqual([1, 2]);
    harness.advance(400);
    expect(harness.begun()).toEqual([1, 2]);
  });

  it('lets savepoints in above the limit, and counts them against it', () => {
    const harness = started({ timeoutMs: 100_000 });
    harness.advance(1000);
    harness.settle('send-barriers');
    harness.send({ kind: 'trigger', request: SAVEPOINT });
    expect(harness.begun()).toEqual([1, 2]);
    harness.settle('send-barriers');
    harness.answer(harness.actions('send-barriers')[0] ?? harness.last('send-barriers'));
    harness.settle('send-barriers');
    harness.advance(1000);
    expect(harness.begun()).toEqual([1, 2]);
    harness.settle();
    expect(harness.last('reply').outcome).toMatchObject({ kind: 'completed', checkpointId: 2 });
    expect(harness.begun()).toEqual([1, 2, 3]);
  });

  it('makes savepoints wait where barriers may overtake', () => {
    const harness = started({ unaligned: true, timeoutMs: 100_000 });
    harness.advance(1000);
    harness.settle('send-barriers');
    harness.send({ kind: 'trigger', request: SAVEPOINT });
    harness.send({ kind: 'trigger', request: CHECKPOINT });
    expect(harness.begun()).toEqual([1]);
    harness.settle();
    expect(harness.actions('take-coordinator-state').map(({ snapshot }) => snapshot)).toEqual([
      'checkpoint',
      'savepoint',
      'checkpoint',
    ]);
  });

  it('asks for more ids before it uses them, and never uses one twice', () => {
    const harness = started({ tolerableFailures: 100 });
    for (let round = 0; round < 6; round += 1) {
      harness.advance(1000);
      harness.settle('send-barriers', 'reserve-ids');
      const begun = harness.begun().length;
      if (round < 4) expect(begun).toBe(round + 1);
      else expect(begun).toBe(4);
      harness.unanswered = harness.unanswered.filter(({ kind }) => kind === 'reserve-ids');
      harness.advance(5000);
    }
    expect(harness.actions('reserve-ids')).toHaveLength(1);
    harness.settle('send-barriers');
    expect(harness.begun()).toEqual([1, 2, 3, 4, 5]);
  });

  it('sends barriers to the roots, and takes finished tasks as finished', () => {
    const harness = started();
    for (const subtask of [0, 1]) {
      harness.send({ kind: 'task-finished', vertex: 'source', subtask, attempt: 1 });
    }
    harness.advance(1000);
    harness.settle('send-barriers');
    expect(harness.last('send-barriers').to.map(({ vertex }) => vertex)).toEqual(['sink', 'sink']);
    harness.settle();
    const { metadata } = harness.last('store-metadata');
    expect(metadata.finishedOperators).toEqual(['source']);
    expect(metadata.operators.map(({ uid, finished }) => [uid, finished])).toEqual([
      ['source', true],
      ['source', true],
      ['count', false],
      ['sink', false],
      ['count', false],
      ['sink', false],
    ]);
  });
});

describe('failing', () => {
  it('expires what takes too long, and cleans up after late answers', () => {
    const harness = started();
    harness.advance(1000);
    harness.settle('send-barriers');
    harness.advance(5000);
    expect(checkpointStatistics(harness.state).at(-1)).toMatchObject({
      status: 'failed',
      durationMs: 5000,
      failure: { reason: 'expired', message: 'Checkpoint expired before completing.' },
    });
    expect(harness.last('notify-aborted').checkpointId).toBe(1);
    harness.ack(TASK, 1, [{ ...emptySnapshot('count', 1), keyed: [run('shared/a', 1)] }]);
    expect(harness.last('discard')).toMatchObject({ checkpointId: 1, files: ['shared/a'] });
  });

  it('survives the tolerable number of failures in a row, and not one more', () => {
    const harness = started({ tolerableFailures: 2 });
    const failed = () => harness.actions('fail-job').length;
    const declineOne = () => {
      harness.advance(1000);
      harness.settle('send-barriers');
      const checkpointId = harness.begun().at(-1) ?? 0;
      const message = 'disk full';
      harness.send({ kind: 'decline', checkpointId, ...TASK, reason: 'declined', message });
      harness.unanswered = [];
    };
    declineOne();
    declineOne();
    harness.advance(1000);
    harness.settle();
    declineOne();
    declineOne();
    expect(failed()).toBe(0);
    declineOne();
    expect(failed()).toBe(1);
    expect(harness.last('fail-job').error.message).toMatchInlineSnapshot(`
      "CHK-009: exceeded checkpoint tolerable failure threshold, consecutive=\`3\`, tolerable=\`2\`, last=\`Checkpoint was declined. sink (2): disk full\`
        Mend what the last failure names, or raise execution.checkpointing.tolerable-failed-checkpoints.
        docs/errors/CHK-009.md"
    `);
  });

  it('does not count what says nothing about the job, nor savepoints', () => {
    const harness = started({ tolerableFailures: 0 });
    harness.advance(1000);
    harness.settle('send-barriers');
    const message = 'still starting';
    harness.send({ kind: 'decline', checkpointId: 1, ...TASK, reason: 'task-not-ready', message });
    harness.send({ kind: 'trigger', request: SAVEPOINT });
    harness.settle('send-barriers');
    harness.send({ kind: 'decline', checkpointId: 2, ...TASK, reason: 'declined', message });
    expect(harness.last('reply').outcome).toMatchObject({ kind: 'failed', reason: 'declined' });
    expect(harness.last('discard').savepoint?.folder).toBe('savepoint-02423c-2');
    expect(harness.actions('fail-job')).toEqual([]);
  });

  it('ignores answers of an attempt that is over', () => {
    const harness = started();
    harness.advance(1000);
    harness.settle('send-barriers');
    const old = { ...TASK, attempt: 0 };
    harness.send({ kind: 'ack', ack: ackOf(old, 1) });
    harness.send({ kind: 'decline', checkpointId: 1, ...old, reason: 'declined', message: 'x' });
    expect(harness.state.pending.get(1)?.acks.size).toBe(0);
  });

  it('refuses a snapshot that is based on files which may be gone', () => {
    const harness = started();
    harness.advance(1000);
    harness.settle('send-barriers');
    harness.ack(TASK, 1, [{ ...emptySnapshot('count', 1), keyed: [run('shared/old', 0)] }]);
    expect(checkpointStatistics(harness.state).at(-1)?.failure?.message).toContain('shared/old');
  });

  it('lets the store decide once the metadata is being written', () => {
    const harness = started();
    harness.advance(1000);
    harness.settle('store-metadata');
    harness.advance(60_000);
    expect(harness.actions('notify-aborted')).toEqual([]);
    harness.settle('move-head');
    const move = harness.last('move-head');
    harness.unanswered = [];
    const failure = { kind: 'head-failed', checkpointId: 1, message: 'no answer' } as const;
    harness.send({ ...failure, outcome: 'unknown' });
    harness.advance(1000);
    expect(harness.last('move-head')).toEqual(move);
    harness.settle();
    expect(harness.completed()).toContain(1);
  });

  it('stops for good when another one leads', () => {
    const harness = started();
    harness.send({ kind: 'trigger', request: SAVEPOINT });
    harness.settle('move-head');
    harness.send({ kind: 'head-failed', checkpointId: 1, outcome: 'fenced', message: '' });
    expect(harness.last('fail-job')).toMatchObject({
      restartable: false,
      error: { kind: 'fenced' },
    });
    harness.advance(100_000);
    expect(harness.begun()).toEqual([1]);
  });

  // Once it said nothing, and the job's end waited for it without end.
  it('lets the job end after another one was found to lead', () => {
    const harness = started();
    harness.advance(1000);
    harness.settle('move-head');
    harness.send({ kind: 'head-failed', checkpointId: 1, outcome: 'fenced', message: '' });
    harness.send({ kind: 'suspend', reason: 'task-failed' });
    expect(harness.actions('quiesced')).toHaveLength(1);
  });
});

describe('completing', () => {
  it('subsumes older ones, but never a savepoint', () => {
    const harness = started({ maxConcurrent: 3, timeoutMs: 100_000 });
    harness.advance(1000);
    harness.settle('send-barriers');
    harness.send({ kind: 'trigger', request: SAVEPOINT });
    harness.settle('send-barriers');
    harness.advance(1000);
    harness.settle('send-barriers');
    expect([...harness.state.pending.keys()]).toEqual([1, 2, 3]);
    harness.answer(harness.last('send-barriers'));
    harness.settle('send-barriers');
    expect([...harness.state.pending.keys()]).toEqual([2]);
    expect(harness.last('notify-aborted').checkpointId).toBe(1);
    expect(harness.state.consecutiveFailures).toBe(0);
  });

  it('commits only after HEAD was moved, in order, and carries on what was not committed', () => {
    const harness = started({ intervalMs: 5000 });
    harness.advance(5000);
    completeWith(harness, 1, [committable(1, 0)], 'commit');
    expect(harness.last('commit').committables).toMatchObject([
      { checkpointId: 1, attempt: '3-1' },
    ]);
    harness.send({ kind: 'commit-results', results: ['retry'] });
    harness.unanswered = [];
    harness.advance(900);
    expect(harness.actions('commit')).toHaveLength(1);
    harness.advance(100);
    expect(harness.actions('commit')).toHaveLength(2);
    harness.send({ kind: 'commit-failed', message: 'broker away' });
    harness.unanswered = [];
    harness.advance(4000);
    harness.send({ kind: 'commit-results', results: ['retry'] });
    harness.unanswered = harness.unanswered.filter(({ kind }) => kind !== 'commit');
    completeWith(harness, 2, [committable(1, 0), committable(2, 1)], 'commit');
    const ids = [1, 2];
    const { metadata } = harness.last('store-metadata');
    expect(metadata.committables.map(({ checkpointId }) => checkpointId)).toEqual(ids);
    expect(harness.last('commit').committables.map(({ checkpointId }) => checkpointId)).toEqual(
      ids,
    );
  });

  it('takes lost output for an incident, and never for complete', () => {
    const harness = started();
    harness.advance(1000);
    completeWith(harness, 1, [committable(1, 0)], 'commit');
    harness.send({ kind: 'inputs-ended' });
    harness.send({ kind: 'commit-results', results: ['lost'] });
    expect(harness.last('fail-job')).toMatchObject({
      restartable: false,
      error: { code: 'CHK-010', details: { sinks: 'sink', committables: 1, fromCheckpoint: 1 } },
    });
    harness.unanswered = harness.unanswered.filter(({ kind }) => kind !== 'commit');
    harness.settle();
    expect(harness.actions('ended')).toEqual([]);
    expect(harness.last('store-metadata').metadata.committables).toHaveLength(1);
  });

  it('neither commits for nor restores from an intermediate savepoint', () => {
    const harness = started();
    harness.send({ kind: 'trigger', request: SAVEPOINT });
    completeWith(harness, 1, [committable(1, 0)]);
    expect(harness.last('store-metadata').metadata).toMatchObject({
      kind: 'savepoint',
      label: 'pre-deploy',
      who: 'ann',
      pin: true,
      committables: [{ checkpointId: 1 }],
    });
    expect(harness.last('move-head').becomesLatest).toBe(false);
    expect([...harness.actions('commit'), ...harness.actions('notify-complete')]).toEqual([]);
    expect(harness.state.latest).toBeUndefined();
  });

  it('spares the files of the last two checkpoints and of those under way', () => {
    const harness = started();
    for (const id of [1, 2, 3]) {
      harness.advance(1000);
      harness.settle('send-barriers');
      for (const task of harness.state.tasks.values()) {
        const keyed = task.vertex === 'sink' ? [run(`shared/${id}-${task.subtask}`, id)] : [];
        harness.ack(task, id, [{ ...emptySnapshot('count', task.subtask), keyed }]);
      }
      harness.settle();
    }
    harness.advance(1000);
    const scope = sweepScope(harness.state);
    expect([...scope.pendingIds]).toEqual([4]);
    expect(scope.nextId).toBe(5);
    expect([...scope.files].sort()).toEqual([
      'shared/2-0',
      'shared/2-1',
      'shared/3-0',
      'shared/3-1',
    ]);
    expect(harness.actions('collect-garbage')).toHaveLength(2);
  });
});

describe('the life of a job', () => {
  it('stops with a savepoint and takes nothing else before the end', () => {
    const harness = started({ timeoutMs: 100_000 });
    harness.advance(1000);
    harness.settle('send-barriers');
    harness.send({ kind: 'trigger', request: STOP });
    expect(harness.last('notify-aborted').checkpointId).toBe(1);
    harness.send({ kind: 'trigger', request: { ...SAVEPOINT, requestId: 's2' } });
    expect(harness.last('reply')).toMatchObject({ requestId: 's2', outcome: { kind: 'failed' } });
    harness.settle('send-barriers');
    expect(harness.last('send-barriers').barrier.stop).toBe('suspend');
    harness.advance(10_000);
    expect(harness.begun()).toEqual([1, 2]);
    completeWith(harness, 2, [committable(2, 0)], 'commit');
    expect(harness.actions('ended')).toEqual([]);
    harness.settle();
    expect(harness.last('move-head').becomesLatest).toBe(true);
    expect(harness.last('ended')).toMatchObject({ checkpointId: 2, stopped: true });
    harness.send({ kind: 'close' });
    expect(harness.last('reply')).toMatchObject({
      requestId: 'stop1',
      outcome: { kind: 'completed', url: 'memory://blobs/savepoint-02423c-2' },
    });
  });

  it('goes on when the savepoint of a stop fails', () => {
    const harness = started();
    harness.send({ kind: 'trigger', request: STOP });
    harness.settle('send-barriers');
    harness.advance(5000);
    expect(harness.last('reply').outcome).toMatchObject({ kind: 'failed', reason: 'expired' });
    expect(harness.actions('stop-failed')).toHaveLength(1);
    harness.unanswered = [];
    harness.advance(1000);
    expect(harness.begun()).toEqual([1, 2]);
  });

  it('takes a last checkpoint of a bounded job, again if it fails', () => {
    const harness = started({ intervalMs: 0 });
    harness.send({ kind: 'inputs-ended' });
    harness.settle('store-metadata');
    harness.send({ kind: 'metadata-failed', checkpointId: 1, message: 'no space' });
    harness.unanswered = [];
    harness.advance(1000);
    expect(harness.last('take-coordinator-state')).toMatchObject({
      checkpointId: 2,
      snapshot: 'end',
    });
    harness.settle();
    expect(harness.last('ended').checkpointId).toBe(2);
  });

  it('restarts from what the store says is complete, with higher ids', () => {
    const harness = started();
    harness.advance(1000);
    harness.settle('move-head');
    harness.send({ kind: 'suspend', reason: 'task-failed' });
    expect(harness.actions('quiesced')).toEqual([]);
    harness.settle();
    expect(harness.last('quiesced').latest?.checkpointId).toBe(1);
    const { latest } = harness.last('quiesced');
    if (latest === undefined) return;
    harness.start({ checkpoint: latest, committables: [], full: true });
    harness.advance(1000);
    harness.settle('send-barriers');
    expect(harness.last('send-barriers').barrier).toMatchObject({ checkpointId: 2, full: true });
    expect(harness.state.history.latestRestored?.checkpointId).toBe(1);
  });

  it('commits what the restored snapshot holds before tasks may start', () => {
    const harness = new CoordinatorHarness();
    const location = { storeUrl: undefined, folder: 'chk-7' };
    const files = new Set<string>();
    harness.send({
      kind: 'restored',
      attempt: 1,
      from: {
        checkpoint: { checkpointId: 7, kind: 'checkpoint', location, url: 'chk-7', files },
        committables: [{ ...committable(7, 0), attempt: '2-1' }],
        full: false,
      },
    });
    expect(harness.actions('restored-committed')).toEqual([]);
    const tasks: [] = [];
    expect(() => harness.send({ kind: 'tasks-running', vertices: VERTICES, tasks })).toThrow(
      'tasks run while',
    );
    harness.settle();
    expect(harness.actions('restored-committed')).toHaveLength(1);
    expect(harness.state.nextId).toBe(8);
  });
});

it('keeps a bounded history with what each task reported', () => {
  const harness = started({ historySize: 2 });
  for (let round = 0; round < 3; round += 1) {
    harness.advance(1000);
    harness.settle('send-barriers');
    harness.nowMs += 40;
    harness.settle();
    harness.nowMs -= 40;
  }
  const [newest, older, ...rest] = checkpointStatistics(harness.state);
  expect(rest).toEqual([]);
  expect(older).toMatchObject({ checkpointId: 2, discarded: true });
  expect(newest).toMatchObject({
    status: 'completed',
    durationMs: 40,
    writtenBytes: 40,
    stateBytes: 400,
    alignmentMs: 2,
    subtasks: 4,
    acknowledged: 4,
    discarded: false,
  });
  expect(newest?.vertices.get('sink')?.map(({ subtask }) => subtask)).toEqual([0, 1]);
  expect(harness.state.history).toMatchObject({ completed: 3, failed: 0, restored: 0 });
});

function run(path: string, checkpointId: number): KeyedRunHandle {
  const blob = { kind: 'blob', path, sizeBytes: 1, crc32: 1 } as const;
  return { blob, keyGroups: { start: 0, end: 127 }, checkpointId, rows: 1 };
}

function committable(checkpointId: number, sequence: number): SerializedCommittable {
  return { uid: 'sink', subtask: 0, checkpointId, sequence, base64: 'AA==' };
}

/** Completes the pending one; sink 0 hands the committables over. */
function completeWith(
  harness: CoordinatorHarness,
  checkpointId: number,
  committables: readonly SerializedCommittable[],
  ...keep: readonly 'commit'[]
): void {
  harness.settle('send-barriers', ...keep);
  for (const task of harness.state.tasks.values()) {
    const own = task.vertex === 'sink' && task.subtask === 0 ? committables : [];
    harness.ack(task, checkpointId, [
      { ...emptySnapshot('sink', task.subtask), committables: own },
    ]);
  }
  harness.settle(...keep);
}
