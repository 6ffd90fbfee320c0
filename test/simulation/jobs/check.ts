import type { KeyedEntry } from '../../../src/state/read-keyed-runs.ts';
import type { SimulatedJob } from '../../../src/testing/simulated-job.ts';
import type { StateRow, Topology } from './topology.ts';

/** What can be seen of a job's output: its lines by folder. */
export type Visible = Readonly<Record<string, readonly string[]>>;

export async function visible(machine: SimulatedJob, topology: Topology): Promise<Visible> {
  const seen: Record<string, string[]> = {};
  for (const folder of Object.keys(topology.output)) {
    seen[folder] = (await machine.jsonLines(folder)).map(canonical);
  }
  return seen;
}

/** What is visible before the end is a part of the model's output, nothing of it twice. */
export function problemOfPart(seen: Visible, topology: Topology): string | undefined {
  for (const [folder, values] of Object.entries(topology.output)) {
    const { surplus } = difference(seen[folder] ?? [], values.map(canonical));
    if (surplus.length > 0) return `${folder} holds what it must not: ${shown(surplus)}`;
  }
  return undefined;
}

/** What is visible at the end is the model's output, and nothing that was visible before has gone. */
export function problemOfAll(seen: Visible, topology: Topology): string | undefined {
  for (const [folder, values] of Object.entries(topology.output)) {
    const { missing, surplus } = difference(seen[folder] ?? [], values.map(canonical));
    if (missing.length + surplus.length === 0) continue;
    return `${folder} misses ${shown(missing)} and has too much: ${shown(surplus)}`;
  }
  return undefined;
}

/** The last checkpoint's keyed state is the model's, key by key; what has expired does not count. */
export async function problemOfState(
  machine: SimulatedJob,
  topology: Topology,
): Promise<string | undefined> {
  const completedMs = (await machine.latest())?.completedMs ?? 0;
  const rows: string[] = [];
  for (const [uid, entries] of await machine.state()) {
    for (const entry of entries) {
      if ((entry.expiresMs ?? Infinity) > completedMs) rows.push(rowOf(uid, entry));
    }
  }
  const { missing, surplus } = difference(rows, topology.state.map(rowText));
  if (missing.length + surplus.length === 0) return undefined;
  return `state misses ${shown(missing)} and has too much: ${shown(surplus)}`;
}

function rowOf(uid: string, { state, key, mapKey, namespace, value }: KeyedEntry): string {
  return rowText({
    uid,
    state,
    key,
    ...(mapKey === undefined ? {} : { mapKey }),
    ...(namespace === undefined ? {} : { window: [namespace.start, namespace.end] }),
    value,
  });
}

function rowText({ uid, state, key, mapKey, window, value }: StateRow): string {
  return [uid, state, ...[key, mapKey, window, value].map(canonical)].join(' ');
}

/** JSON with sorted fields. */
export function canonical(value: unknown): string {
  return value === undefined
    ? '-'
    : JSON.stringify(value, (_, each: unknown) =>
        typeof each === 'object' && each !== null && !Array.isArray(each)
          ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
          : each,
      );
}

/** As bags: how often each comes counts. */
function difference(found: readonly string[], wanted: readonly string[]) {
  const left = new Map<string, number>();
  for (const text of wanted) left.set(text, (left.get(text) ?? 0) + 1);
  const surplus = found.filter((text) => {
    const count = left.get(text) ?? 0;
    left.set(text, count - 1);
    return count <= 0;
  });
  const missing = [...left].flatMap(([text, count]) =>
    count > 0 ? Array.from({ length: count }, () => text) : [],
  );
  return { missing, surplus };
}

function shown(values: readonly string[]): string {
  const more = values.length > 5 ? ` … (${values.length})` : '';
  return `[${values.slice(0, 5).join(' | ')}${more}]`;
}
