/**
 * Whether a job can go on from a snapshot, and what becomes of each state: known before anything is
 * stopped or started.
 *
 * Always holds: the answers come from the functions that a restore itself asks (`planRestore`,
 * `storedRowsOf`, `resolve` of the job's own serializers), so that the two cannot disagree.
 */
import { readHandle } from '../../checkpoint/handle-reader.ts';
import type { FoundSnapshot } from '../../checkpoint/metadata.ts';
import { planRestore, type RestoreInput } from '../../checkpoint/restore-plan.ts';
import { EngineError } from '../../common/errors.ts';
import type { StateSchema } from '../../contracts/snapshots.ts';
import type { JobGraph } from '../../graph/job-graph.ts';
import type { StreamNode } from '../../graph/operator-spec.ts';
import { undeclaredState } from '../../runtime/errors.ts';
import { KeyedRunReader } from '../../state/keyed-run-reader.ts';
import { OperatorStateReader } from '../../state/operator-state-format.ts';
import type { BlobStore } from '../../storage/blob-store.ts';
import { declaredStates, type DeclaredState } from './declared-states.ts';

/** What becomes of a state, or of all that an operator has. */
export type UpgradeVerdict =
  | 'same'
  /** Its values are rewritten as they are read. */
  | 'migrate'
  /** The snapshot has nothing of it: it starts empty. */
  | 'new'
  /** The job has no place for it, and it goes, as asked. */
  | 'drop'
  /** The restore fails because of it. */
  | 'refuse';

export interface StateUpgrade {
  readonly name: string;
  readonly kind: StateSchema['kind'];
  readonly verdict: UpgradeVerdict;
  readonly why?: string;
}

export interface OperatorUpgrade {
  readonly uid: string;
  readonly verdict: UpgradeVerdict;
  /** Undefined: the snapshot, or the job, does not have the operator. */
  readonly parallelismBefore: number | undefined;
  readonly parallelism: number | undefined;
  readonly states: readonly StateUpgrade[];
}

export interface UpgradeProblem {
  /** Of the error that the restore would end with. */
  readonly code: string;
  /** That error's text, with its hint. */
  readonly message: string;
}

/** Plain data. */
export interface UpgradeReport {
  readonly jobName: string;
  readonly fits: boolean;
  readonly operators: readonly OperatorUpgrade[];
  /** In the order in which a restore would meet them. */
  readonly problems: readonly UpgradeProblem[];
  /** What a restore does not refuse, and its user should know. */
  readonly warnings: readonly string[];
}

export interface UpgradeRequest {
  /** Built for the snapshot's number of key groups. */
  readonly graph: JobGraph;
  readonly found: FoundSnapshot;
  /** The one that the snapshot's paths are relative to. */
  readonly store: BlobStore;
  readonly allowNonRestoredState: boolean;
}

/**
 * Reads all state files of the snapshot, one at a time.
 *
 * @throws {EngineError} `CHK-001`, `CHK-006`, `STA-001` (`corrupt`) if the snapshot is damaged.
 */
export async function checkUpgrade(request: UpgradeRequest): Promise<UpgradeReport> {
  const { graph, found, allowNonRestoredState } = request;
  const { metadata } = found;
  const operators = graph.vertices.flatMap(({ parallelism, operators: chain }) =>
    chain.map(({ node }) => ({ uid: node.uid, parallelism, node })),
  );
  const input: RestoreInput = {
    metadata,
    snapshot: found.url,
    operators,
    allowNonRestoredState,
    continues: 'same-lineage',
  };
  const problems: UpgradeProblem[] = [];
  refusalOf(() => planRestore(input), problems);
  const dropped = new Set(
    refusalOf(() => planRestore({ ...input, allowNonRestoredState: true }), [])?.dropped,
  );
  const warnings: string[] = [];
  const upgrades: OperatorUpgrade[] = [];
  for (const { node, parallelism } of operators) {
    const stored = await storedStates(request, node.uid);
    warnings.push(...warningsOf(node, stored));
    const states = statesOf(node, stored, allowNonRestoredState, problems);
    const parallelismBefore = metadata.parallelism[node.uid];
    const isNew = parallelismBefore === undefined;
    upgrades.push({
      uid: node.uid,
      verdict: isNew ? 'new' : worstOf(states),
      parallelismBefore,
      parallelism,
      states,
    });
  }
  const known = new Set(operators.map(({ uid }) => uid));
  for (const [uid, parallelismBefore] of Object.entries(metadata.parallelism)) {
    if (known.has(uid)) continue;
    const verdict = !dropped.has(uid) ? 'same' : allowNonRestoredState ? 'drop' : 'refuse';
    upgrades.push({ uid, verdict, parallelismBefore, parallelism: undefined, states: [] });
  }
  return {
    jobName: graph.jobName,
    fits: problems.length === 0,
    operators: upgrades,
    problems,
    warnings,
  };
}

function refusalOf<T>(act: () => T, problems: UpgradeProblem[]): T | undefined {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    problems.push({ code: error.code, message: error.message });
    return undefined;
  }
}

interface StoredStates {
  readonly keyed: readonly StateSchema[];
  readonly operator: readonly StateSchema[];
}

/**
 * The states of an operator of which the snapshot has entries: what a restore comes across. The list in the
 * metadata has also those that were declared and empty.
 */
async function storedStates({ found, store }: UpgradeRequest, uid: string): Promise<StoredStates> {
  const keyed = new Map<string, StateSchema>();
  const operator = new Map<string, StateSchema>();
  const add = (states: Map<string, StateSchema>, schema: StateSchema): void => {
    // Delta runs of several releases of a job may hold one state under several schemas.
    states.set(JSON.stringify(schema), schema);
  };
  for (const snapshot of found.metadata.operators) {
    if (snapshot.uid !== uid) continue;
    if (snapshot.operator !== undefined) {
      const bytes = await readHandle(store, snapshot.operator);
      const { states } = new OperatorStateReader(bytes, snapshot.operator);
      for (const { schema } of states) add(operator, schema);
    }
    for (const run of snapshot.keyed) {
      const reader = new KeyedRunReader(await readHandle(store, run.blob), run);
      for (const block of reader.blocks) add(keyed, reader.schemaOf(block));
    }
  }
  return { keyed: [...keyed.values()], operator: [...operator.values()] };
}

function statesOf(
  node: StreamNode,
  stored: StoredStates,
  allowNonRestoredState: boolean,
  problems: UpgradeProblem[],
): readonly StateUpgrade[] {
  const declared = declaredStates(node);
  const judge = (
    states: ReadonlyMap<string, DeclaredState>,
    written: StateSchema,
  ): StateUpgrade => {
    const { name, kind } = written;
    const state = states.get(name);
    if (state === undefined) {
      if (allowNonRestoredState) return { name, kind, verdict: 'drop' };
      const { code, message } = undeclaredState(node.uid, name);
      problems.push({ code, message });
      return { name, kind, verdict: 'refuse', why: 'the operator does not declare it' };
    }
    const refusals: UpgradeProblem[] = [];
    const verdict = refusalOf(() => state.resolve(written), refusals);
    problems.push(...refusals);
    if (verdict !== undefined) return { name, kind, verdict };
    return { name, kind, verdict: 'refuse', why: refusals[0]?.message.split('\n')[0] ?? '' };
  };
  // Operator state is restored first.
  const upgrades = [
    ...stored.operator.map((written) => judge(declared.operator, written)),
    ...(declared.isKeyed ? stored.keyed.map((written) => judge(declared.keyed, written)) : []),
  ];
  const seen = new Set(upgrades.map(({ name }) => name));
  const fresh = [...declared.keyed.values(), ...declared.operator.values()]
    .filter(({ name, isInternal }) => !seen.has(name) && !isInternal)
    .map(({ name, kind }): StateUpgrade => ({ name, kind, verdict: 'new' }));
  return [...upgrades, ...fresh];
}

function warningsOf(node: StreamNode, { keyed }: StoredStates): readonly string[] {
  if (keyed.length === 0 || declaredStates(node).isKeyed) return [];
  const names = keyed.map(({ name }) => name).join(', ');
  return [`Operator ${node.uid} has no key any more: its keyed state (${names}) is left behind.`];
}

const WORST_FIRST: readonly UpgradeVerdict[] = ['refuse', 'drop', 'migrate', 'same', 'new'];

function worstOf(states: readonly StateUpgrade[]): UpgradeVerdict {
  const verdicts = new Set(states.map(({ verdict }) => verdict));
  const worst = WORST_FIRST.find((verdict) => verdicts.has(verdict));
  return worst === undefined || worst === 'new' ? 'same' : worst;
}
