import { describe, expect, it } from 'vitest';
import { fc } from '../../test/support/property.ts';
import type { CheckpointBarrier } from '../contracts/snapshots.ts';
import { BarrierAligner, PENDING_BARRIERS_MAX, type AlignmentAction } from './barrier-aligner.ts';

function barrier(checkpointId: number): CheckpointBarrier {
  return { checkpointId, kind: 'checkpoint', timestampMs: 0, full: false };
}

/** Short forms, so that a table can be read. */
function shown(actions: readonly AlignmentAction[]): string {
  return actions
    .map((action) => {
      switch (action.kind) {
        case 'block':
          return `block ${action.channel}`;
        case 'unblock':
          return 'unblock';
        case 'complete':
          return `complete ${action.barrier.checkpointId} after ${action.alignmentMs}`;
        case 'give-up':
          return `give up ${action.checkpointId}`;
      }
    })
    .join(', ');
}

describe('exactly-once', () => {
  it('completes at once with one channel', () => {
    const aligner = new BarrierAligner(1, 'exactly-once');
    expect(shown(aligner.barrier(0, barrier(1), 5))).toBe('complete 1 after 0');
  });

  it('blocks each channel until the last has the barrier', () => {
    const aligner = new BarrierAligner(3, 'exactly-once');
    expect(shown(aligner.barrier(1, barrier(1), 10))).toBe('block 1');
    expect(shown(aligner.barrier(0, barrier(1), 12))).toBe('block 0');
    expect(shown(aligner.barrier(2, barrier(1), 17))).toBe('unblock, complete 1 after 7');
    expect(aligner.pendingId()).toBeUndefined();
  });

  it('gives an alignment up for a newer barrier', () => {
    const aligner = new BarrierAligner(2, 'exactly-once');
    aligner.barrier(0, barrier(1), 0);
    expect(shown(aligner.barrier(1, barrier(2), 3))).toBe('give up 1, unblock, block 1');
    // The late barrier of the one given up is passed over.
    expect(shown(aligner.barrier(1, barrier(1), 4))).toBe('');
    expect(shown(aligner.barrier(0, barrier(2), 5))).toBe('unblock, complete 2 after 2');
  });

  it('passes over a barrier that is older than the one being aligned', () => {
    const aligner = new BarrierAligner(2, 'exactly-once');
    aligner.barrier(0, barrier(2), 0);
    expect(shown(aligner.barrier(1, barrier(1), 1))).toBe('');
    expect(shown(aligner.barrier(1, barrier(2), 2))).toBe('unblock, complete 2 after 2');
  });

  it('lets the channels go on when the checkpoint is aborted', () => {
    const aligner = new BarrierAligner(2, 'exactly-once');
    aligner.barrier(0, barrier(1), 0);
    expect(shown(aligner.aborted(1))).toBe('unblock');
    expect(shown(aligner.aborted(1))).toBe('');
    expect(shown(aligner.barrier(1, barrier(1), 1))).toBe('');
    expect(shown(aligner.barrier(1, barrier(2), 2))).toBe('block 1');
  });

  it('passes over barriers of a checkpoint that was aborted before they came', () => {
    const aligner = new BarrierAligner(2, 'exactly-once');
    expect(shown(aligner.aborted(3))).toBe('');
    expect(shown(aligner.barrier(0, barrier(3), 0))).toBe('');
    expect(shown(aligner.barrier(1, barrier(3), 0))).toBe('');
    expect(shown(aligner.barrier(0, barrier(4), 0))).toBe('block 0');
  });
});

describe('at-least-once', () => {
  it('never blocks, and aligns several checkpoints at once', () => {
    const aligner = new BarrierAligner(2, 'at-least-once');
    expect(shown(aligner.barrier(0, barrier(1), 0))).toBe('');
    expect(shown(aligner.barrier(0, barrier(2), 5))).toBe('');
    expect(shown(aligner.barrier(1, barrier(1), 8))).toBe('complete 1 after 8');
    expect(shown(aligner.barrier(1, barrier(2), 9))).toBe('complete 2 after 4');
  });

  it('gives older ones up when a newer one is complete', () => {
    const aligner = new BarrierAligner(2, 'at-least-once');
    aligner.barrier(0, barrier(1), 0);
    aligner.barrier(0, barrier(2), 0);
    expect(shown(aligner.barrier(1, barrier(2), 1))).toBe('give up 1, complete 2 after 1');
  });

  it('bounds how many wait', () => {
    const aligner = new BarrierAligner(2, 'at-least-once');
    for (let id = 1; id <= PENDING_BARRIERS_MAX; id++) aligner.barrier(0, barrier(id), 0);
    const next = barrier(PENDING_BARRIERS_MAX + 1);
    expect(shown(aligner.barrier(0, next, 0))).toBe('give up 1');
  });
});

describe('any order of barriers and aborts', () => {
  /** What each channel brings next: barriers in order, some left out. */
  const channels = fc.array(fc.subarray([1, 2, 3, 4, 5]), { minLength: 1, maxLength: 4 });
  const aborts = fc.subarray([1, 2, 3, 4, 5]);

  it('completes a checkpoint once, in order, and leaves nothing blocked without reason', () => {
    fc.assert(
      fc.property(channels, aborts, fc.infiniteStream(fc.nat()), (queues, aborted, choices) => {
        const aligner = new BarrierAligner(queues.length, 'exactly-once');
        const left = queues.map((queue) => [...queue]);
        const toAbort = [...aborted];
        const blocked = new Set<number>();
        const completed: number[] = [];
        const perform = (actions: readonly AlignmentAction[]) => {
          for (const action of actions) {
            if (action.kind === 'block') blocked.add(action.channel);
            else if (action.kind === 'unblock') blocked.clear();
            else if (action.kind === 'complete') completed.push(action.barrier.checkpointId);
          }
        };
        for (let steps = 0; steps < 100; steps++) {
          const open = left.flatMap((queue, i) => (queue.length > 0 && !blocked.has(i) ? [i] : []));
          const choice = choices.next().value as number;
          const abort = choice % 4 === 0 ? toAbort.shift() : undefined;
          if (abort !== undefined) perform(aligner.aborted(abort));
          else if (open.length > 0) {
            const channel = open[choice % open.length] ?? 0;
            const id = left[channel]?.shift();
            if (id !== undefined) perform(aligner.barrier(channel, barrier(id), steps));
          }
        }
        for (const id of toAbort) perform(aligner.aborted(id));
        expect(completed).toEqual([...new Set(completed)].sort((a, b) => a - b));
        for (const id of completed) expect(queues.every((queue) => queue.includes(id))).toBe(true);
        // Whoever is blocked waits for a checkpoint that is still being aligned.
        if (aligner.pendingId() === undefined) expect(blocked.size).toBe(0);
      }),
    );
  });
});
