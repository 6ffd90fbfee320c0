import type { StateSchema } from '../contracts/snapshots.ts';
import type { WindowAssigner } from '../contracts/windows.ts';
import type {
  Plan,
  PlanDetail,
  PlanInput,
  PlanOperator,
  PlanTrigger,
  PlanWatermarks,
} from './plan.ts';

/**
 * The plan as text for people: each vertex with its chain as a tree, what reads it, and the state
 * each operator keeps.
 */
export function describePlan(plan: Plan): string {
  const operators = new Map(plan.operators.map((operator) => [operator.uid, operator]));
  const lines = [
    `Job ${plan.jobName}  (plan ${plan.hash.slice(0, 12)}, max parallelism ${plan.maxParallelism})`,
  ];
  for (const { id, operators: uids } of plan.vertices) {
    const head = operators.get(id);
    if (head === undefined) continue;
    const chained = uids.flatMap((uid) => operators.get(uid) ?? []);
    lines.push('', `${id}  × ${head.parallelism}`);
    for (const input of head.inputs) lines.push(`  ◄─${arrow(input)}─ ${source(input)}`);
    lines.push(...tree(head, chained, '  ', ''));
  }
  const count = plan.regions.length;
  lines.push('', count === 1 ? '1 region: a failure restarts all of it' : `${count} regions:`);
  if (count > 1) lines.push(...plan.regions.map((region) => `  ${region.join(', ')}`));
  const settings = Object.entries(plan.settings).map(([name, value]) => `  ${name}: ${value}`);
  return [...lines, ...(settings.length > 0 ? ['', 'Settings', ...settings] : [])].join('\n');
}

/** An operator, its state, and those chained behind it. */
function tree(
  operator: PlanOperator,
  chain: readonly PlanOperator[],
  indent: string,
  branch: string,
): readonly string[] {
  const behind = chain.filter((other) =>
    other.inputs.some((input) => input.partitioner === 'chained' && input.from === operator.uid),
  );
  const output = branch === '' ? undefined : operator.inputs[0]?.output;
  const from = output === undefined ? '' : `(${output}) `;
  const under = branch === '' ? indent : indent + (branch === '├─ ' ? '│  ' : '   ');
  const bar = behind.length > 0 ? '│  ' : '   ';
  return [
    `${indent}${branch}${from}${operator.uid}  ${summary(operator)}`,
    ...operator.states.map((state) => `${under}${bar}state ${describeState(state)}`),
    ...behind.flatMap((other, at) =>
      tree(other, chain, under, at === behind.length - 1 ? '└─ ' : '├─ '),
    ),
  ];
}

function summary({ kind, detail, onError }: PlanOperator): string {
  const text = detail === undefined ? kind : describeDetail(detail);
  return onError === undefined ? text : `${text}, failed records to dead letters`;
}

function describeDetail(detail: PlanDetail): string {
  switch (detail.kind) {
    case 'source':
      return `source ${detail.source}, ${detail.boundedness}, ${describeWatermarks(detail.watermarks)}`;
    case 'watermarks':
      return `assign-timestamps, ${describeWatermarks(detail.watermarks)}`;
    case 'window': {
      const { allowedLatenessMs: lateness, lateTag, trigger } = detail;
      return [
        `${describeAssigner(detail.assigner)}, ${detail.function}`,
        ...(trigger === undefined ? [] : [`trigger ${describeTrigger(trigger)}`]),
        ...(lateness === 0 ? [] : [`lateness ${duration(lateness)}`]),
        ...(lateTag === undefined ? [] : [`late to ${lateTag}`]),
      ].join(', ');
    }
    case 'async-map':
      return `async-map, ${detail.ordered ? 'ordered' : 'unordered'}, capacity ${detail.capacity}`;
    case 'sink':
      return `sink ${detail.sink}${detail.committable === undefined ? '' : ', committed with checkpoints'}`;
  }
}

function describeAssigner(assigner: WindowAssigner): string {
  switch (assigner.kind) {
    case 'global':
      return 'global window';
    case 'session':
      return `session window of ${duration(assigner.gapMs)} (${assigner.time})`;
    case 'tumbling':
    case 'sliding': {
      const slide = assigner.kind === 'sliding' ? ` every ${duration(assigner.slideMs)}` : '';
      const offset = assigner.offsetMs === 0 ? '' : `, offset ${duration(assigner.offsetMs)}`;
      const size = duration(assigner.sizeMs);
      return `${assigner.kind} window of ${size}${slide}${offset} (${assigner.time})`;
    }
  }
}

function describeTrigger(trigger: PlanTrigger): string {
  switch (trigger.kind) {
    case 'purging':
      return `purging ${describeTrigger(trigger.trigger)}`;
    case 'count':
      return `${trigger.purge ? 'purging ' : ''}count of ${trigger.count}`;
    case 'continuous':
      return `every ${duration(trigger.everyMs)} (${trigger.time})`;
    default:
      return trigger.kind;
  }
}

function describeWatermarks({ kind, outOfOrdernessMs, idlenessMs }: PlanWatermarks): string {
  if (kind === 'none') return 'no event time';
  const idle = idlenessMs === undefined ? '' : `, idle after ${duration(idlenessMs)}`;
  const lag = outOfOrdernessMs ?? 0;
  return (lag === 0 ? 'monotonous' : `out of order by ${duration(lag)}`) + idle;
}

function describeState({ name, kind, ttlMs }: StateSchema): string {
  return `${name} (${kind}${ttlMs === undefined ? '' : `, ttl ${duration(ttlMs)}`})`;
}

function arrow({ partitioner, input }: PlanInput): string {
  return input === 1 ? `${partitioner}(2)` : partitioner;
}

function source({ from, output }: PlanInput): string {
  return output === undefined ? from : `${from} (${output})`;
}

/** In the largest unit that gives a whole number: `90 min`, `400 d`. */
function duration(ms: number): string {
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1000],
  ] as const;
  const [unit, length] = units.find(([, each]) => ms !== 0 && ms % each === 0) ?? ['ms', 1];
  return `${ms / length} ${unit}`;
}
