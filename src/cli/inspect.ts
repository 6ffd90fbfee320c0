import pc from 'picocolors';
import type { SnapshotDifference } from '../checkpoint/inspection/diff-snapshots.ts';
import type { OperatorSummary } from '../checkpoint/inspection/snapshot-summary.ts';
import type { SnapshotEntry } from '../checkpoint/inspection/snapshot-entries.ts';
import type { Verified } from '../checkpoint/inspection/verify-snapshot.ts';
import type { SnapshotMetadata } from '../checkpoint/metadata.ts';
import type { StoredSnapshot } from '../cluster/stored-snapshot.ts';
import { noSuchState } from './cli-errors.ts';
import { EXIT } from './exit-codes.ts';
import { lookAtSnapshot, openSnapshot, type SnapshotPlace } from './open-snapshot.ts';
import { readAll, type SettingOptions } from './read-settings.ts';
import { tableOf } from './table.ts';
import { onTerminal, type JsonOption, type Terminal } from './terminal.ts';
import { bytesText, countText, durationText, timeText } from './units.ts';

export interface InspectOptions extends JsonOption, SettingOptions {
  /** `uid/state`: print its entries. */
  readonly state?: string;
  readonly key?: string;
  readonly limit: number;
  readonly verify?: boolean;
  /** Another snapshot, to compare this one with. */
  readonly diff?: string;
  /** Count keys also of large snapshots. */
  readonly count?: boolean;
}

/** Snapshots up to this size are read whole to count their keys without being asked. */
const COUNTED_BYTES_MAX = 64 * 2 ** 20;

/** `tidemark inspect`: what a checkpoint or savepoint holds. No service is needed. */
export function inspectCommand(snapshot: string, options: InspectOptions): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const { flink } = await readAll(options);
    const place = { flink, folder: process.cwd() };
    const { state, diff, count = false } = options;
    if (state === undefined && options.verify === true) return verify(terminal, snapshot, place);
    if (state === undefined && diff === undefined) {
      return summary(terminal, { snapshot, place, isToCount: count });
    }
    const stored = await openSnapshot(snapshot, place);
    if (state !== undefined) return printEntries(terminal, stored, state, options);
    return compare(terminal, stored, await openSnapshot(diff ?? '', place));
  });
}

async function summary(
  terminal: Terminal,
  { snapshot, place, isToCount }: SummaryAsked,
): Promise<number> {
  const { summarize } = await import('../checkpoint/inspection/snapshot-summary.ts');
  const isCounted = ({ found }: StoredSnapshot): boolean =>
    isToCount || found.metadata.stateBytes <= COUNTED_BYTES_MAX;
  const looked = await lookAtSnapshot(snapshot, place, async (one) => ({
    result: await summarize(one.store, one.found, isCounted(one)),
    isWhole: true,
  }));
  const { stored, result: operators } = looked;
  const { metadata, url } = stored.found;
  const counted = isCounted(stored);
  const { operators: _files, coordinators: _sources, committables: _output, ...rest } = metadata;
  terminal.answer({ url, ...rest, operators });
  printHead(terminal, metadata, url);
  printOperators(terminal, operators);
  printStates(terminal, operators);
  if (!counted) terminal.say(pc.dim('Keys are not counted: it is large. --count counts them.'));
  return EXIT.done;
}

interface SummaryAsked {
  readonly snapshot: string;
  readonly place: SnapshotPlace;
  readonly isToCount: boolean;
}

function printHead(terminal: Terminal, metadata: SnapshotMetadata, url: string): void {
  const { kind, checkpointId, jobName, jobId, triggerMs, completedMs, stop } = metadata;
  const title = `${kind === 'savepoint' ? 'Savepoint' : 'Checkpoint'} ${checkpointId}`;
  const stopped = stop === undefined ? '' : `, the job stopped with it (${stop})`;
  const { label, who, why, pin } = metadata;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['Path', url],
    ['Job', `${jobName} (${jobId})`],
    ['Taken', `${timeText(triggerMs)}, in ${durationText(completedMs - triggerMs)}${stopped}`],
    ['Size', `${bytesText(metadata.stateBytes)}, of which ${bytesText(metadata.writtenBytes)} new`],
    ['Epoch', `${metadata.epoch}, restarts in it ${metadata.attempt}`],
    ['Lineage', metadata.lineage],
    ['Plan', metadata.planHash.slice(0, 12)],
    ['Key groups', String(metadata.maxParallelism)],
    ['Label', label],
    ['By', who],
    ['Why', why],
    ['Pinned', pin === true ? 'yes: no rule removes it' : undefined],
  ];
  terminal.say(pc.bold(title));
  for (const [name, text] of facts) {
    if (text !== undefined) terminal.say(`  ${name.padEnd(11)} ${text}`);
  }
}

const OPERATOR_COLUMNS = [
  { title: 'OPERATOR' },
  { title: 'SUBTASKS', right: true },
  { title: 'STATE', right: true },
  { title: 'FILES', right: true },
  { title: 'UNCOMMITTED', right: true },
  { title: 'WATERMARK' },
];

function printOperators(terminal: Terminal, operators: readonly OperatorSummary[]): void {
  const rows = operators.map((operator) => [
    operator.uid,
    String(operator.parallelism),
    bytesText(operator.stateBytes),
    String(operator.files),
    String(operator.committables),
    operator.finished ? 'finished' : watermarkText(operator.watermarkMs),
  ]);
  terminal.say('');
  for (const line of tableOf(OPERATOR_COLUMNS, rows)) terminal.say(line);
}

/** What `Date` can hold. */
const TIME_MS_MAX = 8.64e15;

function watermarkText(watermarkMs: number | undefined): string {
  if (watermarkMs === undefined) return 'none';
  if (watermarkMs === Infinity) return 'end of input';
  return Math.abs(watermarkMs) > TIME_MS_MAX ? String(watermarkMs) : timeText(watermarkMs);
}

const STATE_COLUMNS = [
  { title: 'STATE' },
  { title: 'KIND' },
  { title: 'KEYS', right: true },
  { title: 'ENTRIES', right: true },
  { title: 'TTL', right: true },
  { title: 'FIRST KEY' },
  { title: 'TYPE' },
];

function printStates(terminal: Terminal, operators: readonly OperatorSummary[]): void {
  const rows = operators.flatMap(({ uid, states }) =>
    states.map(({ name, kind, keys, entries, ttlMs, keyExample, keyType, type }) => [
      `${uid}/${name}`,
      kind,
      keys === undefined ? '?' : countText(keys),
      entries === undefined ? '?' : countText(entries),
      ttlMs === undefined ? '' : durationText(ttlMs),
      keyExample ?? '',
      keyType === undefined ? type : `${keyType} to ${type}`,
    ]),
  );
  if (rows.length === 0) return;
  terminal.say('');
  for (const line of tableOf(STATE_COLUMNS, rows)) terminal.say(line);
}

async function printEntries(
  terminal: Terminal,
  { store, found }: StoredSnapshot,
  name: string,
  { key, limit }: InspectOptions,
): Promise<number> {
  const { operatorEntries, plainJson, schemasOf } =
    await import('../checkpoint/inspection/snapshot-entries.ts');
  const { metadata } = found;
  const known = Object.keys(metadata.parallelism).flatMap((uid) =>
    schemasOf(metadata, uid).map((schema) => ({ uid, name: `${uid}/${schema.name}` })),
  );
  const state = known.find((one) => one.name === name);
  if (state === undefined)
    throw noSuchState(
      name,
      known.map((one) => one.name),
    );
  let shown = 0;
  let more = false;
  for await (const entry of operatorEntries(store, metadata, state.uid)) {
    if (`${state.uid}/${entry.state}` !== name) continue;
    const keyText = plainJson(entry.key);
    if (key !== undefined && key !== keyText && key !== String(entry.key)) continue;
    more = shown === limit;
    if (more) break;
    shown += 1;
    terminal.answer(JSON.parse(plainJson(entry)));
    terminal.say(entryLine(entry, plainJson));
  }
  if (shown === 0) terminal.say(key === undefined ? 'It is empty.' : `It has no key ${key}.`);
  if (more) terminal.say(pc.dim(`There is more: --limit ${limit * 10} shows more of it.`));
  return EXIT.done;
}

function entryLine(entry: SnapshotEntry, json: (value: unknown) => string): string {
  const { key, namespace, subtask, value, expiresMs } = entry;
  const parts = [
    subtask === undefined ? pc.cyan(json(key)) : pc.dim(`subtask ${subtask}`),
    ...(namespace === undefined ? [] : [pc.dim(`[${namespace.start}, ${namespace.end})`)]),
    ...('mapKey' in entry ? [pc.cyan(json(entry.mapKey))] : []),
    json(value),
    ...(expiresMs === undefined ? [] : [pc.dim(`expires ${timeText(expiresMs)}`)]),
  ];
  return parts.join('  ');
}

async function verify(terminal: Terminal, snapshot: string, place: SnapshotPlace): Promise<number> {
  const { verifySnapshot } = await import('../checkpoint/inspection/verify-snapshot.ts');
  const { stored, result: verified } = await lookAtSnapshot(snapshot, place, async (one) => {
    const result = await verifySnapshot(one.store, one.found);
    return { result, isWhole: result.damage.length === 0 };
  });
  const { url } = stored.found;
  terminal.answer({ url, ...verified });
  printVerified(terminal, verified, url);
  return verified.damage.length === 0 ? EXIT.done : EXIT.corrupt;
}

function printVerified(terminal: Terminal, verified: Verified, url: string): void {
  const { files, bytes, entries, unread, damage } = verified;
  const read = `${files} files and _metadata, ${bytesText(bytes)}, ${countText(entries)} entries`;
  for (const { uid, message } of damage) terminal.say(`${pc.red(uid)}: ${message}`);
  if (unread.length > 0) {
    terminal.say(
      pc.yellow(`Only the job can read the entries of ${unread.join(', ')}: checksums are right.`),
    );
  }
  if (damage.length === 0) terminal.say(`${pc.green('Sound')}: ${read}. ${url}`);
  else terminal.say(`${pc.red('Damaged')}: ${damage.length} problems in ${read}. ${url}`);
}

async function compare(
  terminal: Terminal,
  from: StoredSnapshot,
  to: StoredSnapshot,
): Promise<number> {
  const { diffSnapshots } = await import('../checkpoint/inspection/diff-snapshots.ts');
  const difference = await diffSnapshots(from, to);
  terminal.answer({ from: from.found.url, to: to.found.url, ...difference });
  terminal.say(`From ${from.found.url}`);
  terminal.say(`To   ${to.found.url}`);
  printDifference(terminal, difference);
  return EXIT.done;
}

function printDifference(terminal: Terminal, difference: SnapshotDifference): void {
  for (const uid of difference.addedOperators) terminal.say(pc.green(`+ operator ${uid}`));
  for (const uid of difference.removedOperators) terminal.say(pc.red(`- operator ${uid}`));
  for (const { uid, from, to } of difference.parallelism) {
    terminal.say(`  ${uid}: ${from} subtasks, then ${to}`);
  }
  for (const { uid, state, from, to } of difference.schemas) {
    terminal.say(`  ${uid}/${state}: ${from ?? 'was not there'}, then ${to ?? 'is gone'}`);
  }
  const columns = ['STATE', 'ADDED', 'REMOVED', 'CHANGED', 'SAME'].map((title, at) => ({
    title,
    right: at > 0,
  }));
  const rows = difference.states.map(({ uid, state, added, removed, changed, same }) => [
    `${uid}/${state}`,
    ...[added, removed, changed, same].map(countText),
  ]);
  if (rows.length > 0) for (const line of tableOf(columns, rows)) terminal.say(line);
  if (difference.notCompared.length > 0) {
    terminal.say(pc.yellow(`Entries not compared: ${difference.notCompared.join(', ')}`));
  }
}
