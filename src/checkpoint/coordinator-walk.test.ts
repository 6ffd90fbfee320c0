import { expect, it } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { CoordinatorHarness, tasksOf, VERTICES } from '../../test/support/coordinator-harness.ts';
import type { CommitResult } from '../contracts/sink.ts';
import type { SerializedCommittable } from '../contracts/snapshots.ts';
import { sweepScope } from './checkpoint-coordinator.ts';
import { countsAsFailure } from './checkpoint-failure.ts';
import type { SnapshotMetadata } from './metadata.ts';
import type {
  CompletedCheckpoint,
  CoordinatorAction,
  CoordinatorEventBody,
  CoordinatorSettings,
  RestoredSnapshot,
} from './coordinator-types.ts';

// Goal: whatever happens in whatever order, the coordinator keeps its promises.
// Method: random walks: at each turn time passes, or one open question is answered well or badly, or
// somebody wants something, or the tasks fail. A model beside it knows what HEAD really names, what
// writers have handed over and what committers have done. After each turn all promises are checked.
// Replay one failure: SEED=<printed seed> npx vitest run coordinator-walk

const settingsArbitrary = fc.record({
  intervalMs: fc.constantFrom(0, 500, 1000),
  timeoutMs: fc.constantFrom(1500, 5000),
  minPauseMs: fc.constantFrom(0, 300, 2000),
  maxConcurrent: fc.integer({ min: 1, max: 3 }),
  tolerableFailures: fc.integer({ min: 0, max: 3 }),
  numRetained: fc.integer({ min: 1, max: 2 }),
  unaligned: fc.boolean(),
});

const turnArbitrary = fc.record({
  what: fc.nat(99),
  which: fc.nat(1000),
  well: fc.nat(9).map((n) => n < 8),
});

it('keeps its promises on every walk', () => {
  fc.assert(
    fc.property(
      settingsArbitrary,
      fc.array(turnArbitrary, { minLength: 20, maxLength: 250 }),
      (settings, turns) => {
        const walk = new Walk(settings);
        for (const turn of turns) walk.turn(turn);
        walk.finish();
      },
    ),
    { numRuns: 300 },
  );
});

type Turn = typeof turnArbitrary extends fc.Arbitrary<infer T> ? T : never;
type ActionOf<Kind extends CoordinatorAction['kind']> = Extract<CoordinatorAction, { kind: Kind }>;

class Walk {
  readonly harness: CoordinatorHarness;
  readonly settings: Partial<CoordinatorSettings>;
  readonly completedIds = new Set<number>();
  /** What the coordinator was told, or has read, that HEAD names. */
  readonly headIds: number[] = [];
  /** What HEAD really names, last of all; what it may name because of a write that is still open. */
  head: number | undefined;
  inDoubt = new Set<number>();
  mustRestart = false;
  readonly asked = new Set<string>();
  readonly answered = new Set<string>();
  /** Made at barriers and not confirmed by a complete checkpoint, by writer. */
  writers = new Map<string, SerializedCommittable[]>();
  /** The latest barrier that each writer has seen. */
  passed = new Map<string, number>();
  /** Keys that complete checkpoints hold, and those that committers have dealt with. */
  readonly promised = new Set<string>();
  readonly committed = new Set<string>();
  lastEndMs = -Infinity;
  batch: readonly SerializedCommittable[] | undefined;
  sequence = 0;
  requests = 0;

  constructor(settings: Partial<CoordinatorSettings>) {
    this.settings = settings;
    this.harness = new CoordinatorHarness(settings);
    this.start(undefined);
  }

  start(latest: CompletedCheckpoint | undefined): void {
    this.writers = new Map();
    this.passed = new Map();
    const { harness } = this;
    const attempt = harness.attempt + 1;
    harness.attempt = attempt;
    // HEAD is changed first: what was in doubt is settled.
    this.inDoubt = new Set();
    const found = this.head === latest?.checkpointId ? undefined : this.storedAs(this.head);
    if (found !== undefined) {
      this.completedIds.add(found.checkpoint.checkpointId);
      this.headIds.push(found.checkpoint.checkpointId);
    }
    const from = found ?? (latest && { checkpoint: latest, committables: [], full: false });
    this.send({ kind: 'restored', attempt, from });
    const [commit] = harness.unanswered;
    if (commit?.kind === 'commit') this.commitAnswered(commit, 0, true);
    expect(harness.state.mode).toEqual({ kind: 'restoring', commits: 'done' });
    const tasks = tasksOf(VERTICES, attempt);
    this.send({ kind: 'tasks-running', vertices: VERTICES, tasks });
  }

  /** A checkpoint that HEAD names though the coordinator was not told: only its metadata tells of it. */
  storedAs(checkpointId: number | undefined): RestoredSnapshot | undefined {
    const metadata = checkpointId === undefined ? undefined : this.metadataOf(checkpointId);
    if (metadata === undefined) return undefined;
    const { kind, checkpointId: id } = metadata;
    const location = { storeUrl: undefined, folder: `chk-${id}` };
    const checkpoint = { checkpointId: id, kind, location, url: '', files: new Set<string>() };
    const committables = metadata.committables.filter((one) => !this.committed.has(keyOf(one)));
    return { checkpoint, committables, full: false };
  }

  metadataOf(checkpointId: number): SnapshotMetadata | undefined {
    return this.harness
      .actions('store-metadata')
      .findLast((action) => action.checkpointId === checkpointId)?.metadata;
  }

  turn({ what, which, well }: Turn): void {
    const { harness } = this;
    if (this.mustRestart) this.restart(which, well);
    else if (what < 30) this.observe(() => harness.advance(which));
    else if (what < 80) this.answerOne(which, well);
    else if (what < 90) this.request(which);
    else if (what < 92) this.send({ kind: 'inputs-ended' });
    else if (what < 94) this.restart(which, well);
    else this.answerOne(which, true);
  }

  /** Everything is answered at last, and the job is closed. */
  finish(): void {
    this.send({ kind: 'close' });
    for (let left = 100; left > 0; left -= 1) {
      this.answerOne(0, true);
      this.observe(() => this.harness.advance(1000));
    }
    expect(this.harness.state.pending.size).toBe(0);
    expect(this.answered).toEqual(this.asked);
  }

  send(body: CoordinatorEventBody): void {
    this.observe(() => this.harness.send(body));
  }

  restart(which: number, well: boolean): void {
    this.mustRestart = false;
    if (['idle', 'closed'].includes(this.harness.state.mode.kind)) return;
    this.send({ kind: 'suspend', reason: 'task-failed' });
    const before = this.harness.actions('quiesced').length;
    for (let left = 20; this.harness.state.mode.kind === 'quiescing' && left > 0; left -= 1) {
      this.answerOne(which, well);
      this.observe(() => this.harness.advance(1000));
    }
    this.mustRestart = false;
    if (this.harness.state.mode.kind === 'closed') return;
    expect(this.harness.state.mode.kind).toBe('idle');
    expect(this.harness.actions('quiesced').length).toBeGreaterThanOrEqual(before);
    const { latest } = this.harness.last('quiesced');
    expect(latest?.checkpointId).toBe(this.headIds.at(-1));
    this.harness.unanswered = [];
    this.start(latest);
  }

  request(which: number): void {
    this.requests += 1;
    const requestId = `r${this.requests}`;
    this.asked.add(requestId);
    const savepoint = { requestId, directory: undefined, notes: {} };
    const request =
      which % 10 === 0
        ? { kind: 'stop' as const, drain: which % 20 === 0, ...savepoint }
        : { kind: 'savepoint' as const, ...savepoint };
    this.send({ kind: 'trigger', request });
  }

  answerOne(which: number, well: boolean): void {
    const { harness } = this;
    const action = harness.unanswered[which % Math.max(1, harness.unanswered.length)];
    if (action === undefined) return;
    if (action.kind === 'send-barriers') {
      this.ackOne(action, which, well);
      return;
    }
    if (action.kind === 'commit') {
      this.commitAnswered(action, which, well);
      return;
    }
    if (action.kind === 'move-head' && well) {
      this.completing(action);
      this.observe(() => harness.answer(action));
      return;
    }
    if (well) {
      this.observe(() => harness.answer(action));
      return;
    }
    harness.unanswered = harness.unanswered.filter((one) => one !== action);
    if (action.kind === 'move-head') {
      this.headFailed(action, which);
      return;
    }
    const bad = badAnswer(action);
    if (bad !== undefined) this.send(bad);
  }

  /** One more task acks, or declines. */
  ackOne({ barrier }: ActionOf<'send-barriers'>, which: number, well: boolean): void {
    const { harness } = this;
    const { checkpointId } = barrier;
    const pending = harness.state.pending.get(checkpointId);
    const open = [...(pending?.tasks.values() ?? [])].filter(
      (task) => !pending?.acks.has(`${task.subtask}@${task.vertex}`),
    );
    const task = open[which % Math.max(1, open.length)];
    if (task === undefined) {
      harness.unanswered = harness.unanswered.filter(
        (one) => one.kind !== 'send-barriers' || one.barrier.checkpointId !== checkpointId,
      );
      return;
    }
    if (!well) {
      const reason = which % 3 === 0 ? 'task-not-ready' : 'declined';
      this.send({ kind: 'decline', checkpointId, ...task, reason, message: 'no' });
      return;
    }
    const writer = `${task.subtask}@${task.vertex}`;
    const held = this.writers.get(writer) ?? [];
    // Barriers come in order: behind a later one nothing is made for this one, though its ack be late.
    if (task.vertex === 'sink' && (this.passed.get(writer) ?? 0) < checkpointId) {
      this.passed.set(writer, checkpointId);
      this.sequence += 1;
      const { subtask } = task;
      held.push({ uid: 'sink', subtask, checkpointId, sequence: this.sequence, base64: '' });
      this.writers.set(writer, held);
    }
    const own = held.filter((one) => one.checkpointId <= checkpointId);
    this.observe(() => harness.ackWith(task, checkpointId, own));
  }

  /** The store refuses only what it never may have done; of what it leaves open it may have done it. */
  headFailed(action: ActionOf<'move-head'>, which: number): void {
    const { checkpointId, becomesLatest } = action;
    const mayRefuse = !this.inDoubt.has(checkpointId);
    const outcome = mayRefuse && which % 3 === 0 ? 'refused' : 'unknown';
    if (outcome === 'unknown' && becomesLatest) this.inDoubt.add(checkpointId);
    if (outcome === 'unknown' && which % 3 === 1) this.named(action);
    this.send({ kind: 'head-failed', checkpointId, outcome, message: 'no' });
  }

  /** HEAD names it, whoever knows: what it holds is promised. */
  named({ checkpointId, becomesLatest }: ActionOf<'move-head'>): void {
    if (!becomesLatest) return;
    this.head = checkpointId;
    for (const one of this.metadataOf(checkpointId)?.committables ?? []) {
      this.promised.add(keyOf(one));
    }
  }

  /** The coordinator is told that HEAD names it, and writers hear of it. */
  completing(action: ActionOf<'move-head'>): void {
    const { checkpointId, becomesLatest } = action;
    this.named(action);
    // Too late: it was given up, though HEAD says so now.
    if (!this.harness.state.pending.has(checkpointId)) return;
    this.inDoubt = new Set();
    if (!becomesLatest) return;
    this.headIds.push(checkpointId);
    for (const [writer, held] of this.writers) {
      this.writers.set(
        writer,
        held.filter((one) => one.checkpointId > checkpointId),
      );
    }
  }

  commitAnswered(action: ActionOf<'commit'>, which: number, well: boolean): void {
    const results = action.committables.map((_, index): CommitResult =>
      well || (which >> index) % 2 === 0 ? 'done' : 'retry',
    );
    action.committables.forEach((one, index) => {
      if (results[index] === 'done') this.committed.add(keyOf(one));
    });
    this.harness.unanswered = this.harness.unanswered.filter((one) => one !== action);
    this.batch = undefined;
    this.send({ kind: 'commit-results', results });
  }

  observe(change: () => void): void {
    const { harness } = this;
    const before = harness.log.length;
    const failedBefore = harness.state.history.failed;
    change();
    for (const action of harness.log.slice(before)) this.check(action);
    for (const id of this.inDoubt) expect(sweepScope(harness.state).pendingIds).toContain(id);
    const { pending, history, settings } = harness.state;
    expect(history.finished.length).toBeLessThanOrEqual(settings.historySize);
    expect(history.failed).toBeGreaterThanOrEqual(failedBefore);
    const sealing = [...pending.values()].filter(({ phase }) =>
      ['storing', 'moving'].includes(phase.kind),
    );
    expect(sealing.length).toBeLessThanOrEqual(1);
    expect(harness.state.consecutiveFailures).toBeLessThanOrEqual(settings.tolerableFailures);
  }

  check(action: CoordinatorAction): void {
    const { harness } = this;
    const { settings, pending } = harness.state;
    switch (action.kind) {
      case 'take-coordinator-state': {
        const ids = harness.begun();
        expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
        expect(action.checkpointId).toBeLessThanOrEqual(harness.state.idsThrough);
        if (action.snapshot !== 'checkpoint') return;
        expect(Math.max(...harness.concurrency)).toBeLessThanOrEqual(settings.maxConcurrent);
        expect(harness.nowMs - this.lastEndMs).toBeGreaterThanOrEqual(settings.minPauseMs);
        return;
      }
      case 'store-metadata': {
        const { committables, checkpointId } = action.metadata;
        // Exactly what a restore must commit: all that was handed over up to it and is not out yet.
        const acked = [...(pending.get(checkpointId)?.acks.values() ?? [])].flatMap(({ ack }) =>
          ack.operators.flatMap((operator) => operator.committables),
        );
        const wanted = new Set([...acked.map(keyOf), ...this.promised]);
        const expected = [...wanted].filter(
          (key) => !this.committed.has(key) && idOfKey(key) <= checkpointId,
        );
        expect(committables.map(keyOf).sort()).toEqual(expected.sort());
        return;
      }
      case 'discard':
      case 'notify-aborted':
        expect(action.checkpointId).not.toBe(this.head);
        expect(this.inDoubt).not.toContain(action.checkpointId);
        return;
      case 'fail-job':
        this.mustRestart = true;
        return;
      case 'notify-complete':
        expect(this.completedIds).not.toContain(action.checkpointId);
        this.completedIds.add(action.checkpointId);
        this.lastEndMs = harness.nowMs;
        return;
      case 'commit': {
        expect(this.batch).toBeUndefined();
        this.batch = action.committables;
        const ids = action.committables.map(({ checkpointId }) => checkpointId);
        expect(ids).toEqual([...ids].sort((a, b) => a - b));
        const latest = Math.max(...this.completedIds);
        expect(Math.max(...ids)).toBeLessThanOrEqual(latest);
        for (const one of action.committables) {
          expect(this.promised).toContain(keyOf(one));
          expect(this.committed).not.toContain(keyOf(one));
        }
        return;
      }
      case 'reply':
        expect(this.asked).toContain(action.requestId);
        expect(this.answered).not.toContain(action.requestId);
        this.answered.add(action.requestId);
        if (action.outcome.kind === 'completed') this.lastEndMs = harness.nowMs;
        return;
      default:
    }
  }
}

function badAnswer(action: CoordinatorAction): CoordinatorEventBody | undefined {
  const message = 'no';
  switch (action.kind) {
    case 'take-coordinator-state':
      return { kind: 'trigger-failed', checkpointId: action.checkpointId, message };
    case 'store-metadata':
      return { kind: 'metadata-failed', checkpointId: action.checkpointId, message };
    case 'reserve-ids':
      return { kind: 'ids-not-reserved', outcome: 'failed', message };
    default:
      return undefined;
  }
}

function keyOf(one: SerializedCommittable): string {
  return `${one.checkpointId}/${one.subtask}/${one.sequence}`;
}

function idOfKey(key: string): number {
  return Number(key.split('/')[0]);
}

it('fails the job exactly at the first failure that is not tolerable', () => {
  const reasons = fc.array(
    fc.constantFrom(
      'declined',
      'async-failed',
      'task-not-ready',
      'task-finished',
      'expired',
      'completes',
    ),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(reasons, fc.integer({ min: 0, max: 4 }), (all, tolerableFailures) => {
      const harness = new CoordinatorHarness({ tolerableFailures, intervalMs: 0 });
      harness.start();
      let consecutive = 0;
      for (const [index, reason] of all.entries()) {
        const failedBefore = harness.actions('fail-job').length;
        const request = { kind: 'checkpoint', requestId: `c${index}`, full: false } as const;
        harness.send({ kind: 'trigger', request });
        harness.settle('send-barriers');
        const checkpointId = harness.begun().at(-1) ?? 0;
        if (reason === 'completes') harness.settle();
        else if (reason === 'expired') harness.advance(5000);
        else harness.send(declineOf(checkpointId, reason));
        harness.unanswered = [];
        if (reason === 'completes') consecutive = 0;
        else if (countsAsFailure(reason, 'checkpoint')) consecutive += 1;
        const failed = harness.actions('fail-job').length > failedBefore;
        expect(failed).toBe(consecutive > tolerableFailures);
        if (failed) consecutive = 0;
      }
    }),
    { numRuns: 200 },
  );
});

function declineOf(
  checkpointId: number,
  reason: 'declined' | 'async-failed' | 'task-not-ready' | 'task-finished',
): CoordinatorEventBody {
  const task = { vertex: 'sink', subtask: 0, attempt: 1 };
  return { kind: 'decline', checkpointId, ...task, reason, message: 'no' };
}
