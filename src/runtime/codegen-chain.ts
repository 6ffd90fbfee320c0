/**
 * Writes the text of a chain: one function that takes a batch of records through all operators of a
 * vertex, with the user's functions as constants. Each chain has a text of its own, so each of its
 * call sites learns (and V8 inlines) only what this chain does. `TIDEMARK_DEBUG=codegen` prints it.
 *
 * The text is made from literals, positions and `quoted` names; everything else comes in through the
 * object `d`. How it reads:
 *
 * - `at` is the position whose user code runs now, so that an error can name its operator.
 * - `emit_2(v)` is everything behind position 2 for a record with the timestamp of `moment_2`. It
 *   exists where user code emits; behind a map or filter the rest stands in line.
 * - A record for another task goes to `append`, which always takes it; `false` sets `flow.stop`.
 */
import { assert } from '../common/assert.ts';
import { keyGroupOf } from '../common/key-groups.ts';
import { keyHash } from '../common/key-hash.ts';
import type { KeySelector } from '../graph/operator-spec.ts';
import type { ChainPlan } from './chain-plan.ts';
import type { ChannelWriter, RecordBatch } from './channel.ts';
import { ChainText } from './codegen-chain-text.ts';
import { badTimestamp } from './errors.ts';
import type { HotBackend, Inline, Moment } from './inline.ts';
import type { FlowControl, Operator, OperatorOutput } from './operator.ts';

type GeneratedOutput = Pick<OperatorOutput, 'emit' | 'side' | 'user' | 'userSide' | 'source'>;

/** What the generated text gives back. */
export interface GeneratedChain {
  /** Takes records from index `from` on until `flow.stop`. Returns the index of the first one not taken. */
  readonly runBatch: readonly ((batch: RecordBatch, from: number) => number)[];
  /** By position; `source` only for sources. */
  readonly outputs: readonly GeneratedOutput[];
  /** The position whose code runs now, or ran when an error was thrown. */
  readonly position: () => number;
  readonly enter: (position: number) => void;
}

/** Only makes texts differ. */
let texts = 0;

/** @param print Gets the text. */
export function generateChain(plan: ChainPlan, print?: (text: string) => void): GeneratedChain {
  // V8 gives equal texts one feedback; a restarted task, or another subtask, gets its own.
  const text = `// Text ${++texts}\n${new ChainText(plan).text()}`;
  print?.(text);
  const make = new Function('d', text) as (d: Dependencies) => GeneratedChain;
  return make({
    flow: plan.flow,
    check: plan.check,
    keyHash,
    keyGroupOf,
    badTimestamp,
    noOutput: NO_OUTPUT,
    operators: plan.positions.map(({ operator }) => operator),
    inline: plan.positions.map(({ operator }) => operator.inline),
    uids: plan.positions.map(({ uid }) => uid),
    moments: plan.positions.map(({ moment }) => moment),
    backends: plan.positions.map(({ backend }) => backend),
    keys: plan.positions.map(({ keys }) => keys),
    edges: plan.positions.map(({ edges }) =>
      edges.map(({ writers, partitioner }) => ({
        writers,
        key: partitioner.kind === 'hash' ? partitioner.key : undefined,
        targets: targetsOf(plan.maxParallelism, writers.length),
      })),
    ),
  });
}

/** Of operators behind which the text goes on in line: nobody calls it. */
const NO_OUTPUT: GeneratedOutput = {
  emit: notCalled,
  side: notCalled,
  user: { emit: notCalled, emitAt: notCalled },
  userSide: notCalled,
  source: undefined,
};

function notCalled(): never {
  assert(false, 'an operator emits by call although it is written into the chain');
}

interface Dependencies {
  readonly noOutput: GeneratedOutput;
  readonly flow: FlowControl;
  readonly check: ChainPlan['check'];
  readonly keyHash: typeof keyHash;
  readonly keyGroupOf: typeof keyGroupOf;
  readonly badTimestamp: typeof badTimestamp;
  readonly operators: readonly Operator[];
  readonly inline: readonly (Inline | undefined)[];
  readonly uids: readonly string[];
  readonly moments: readonly Moment[];
  readonly backends: readonly (HotBackend | undefined)[];
  readonly keys: readonly (readonly (KeySelector | undefined)[])[];
  readonly edges: readonly (readonly {
    readonly writers: readonly ChannelWriter[];
    readonly key: KeySelector | undefined;
    readonly targets: Int32Array;
  }[])[];
}

/** The subtask of each key group. */
function targetsOf(maxParallelism: number, parallelism: number): Int32Array {
  return Int32Array.from({ length: maxParallelism }, (_, group) =>
    Math.floor((group * parallelism) / maxParallelism),
  );
}
