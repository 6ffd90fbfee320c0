import { errnoOf, REFUSED_WRITE } from '../../src/storage/storage-errors.ts';
import { EngineError } from '../../src/common/errors.ts';
import type { BlobStore, Etag } from '../../src/storage/blob-store.ts';
import type { Simulation } from '../../src/testing/index.ts';
import { isLinearizable, type Call } from './linearizability.ts';

const NOTHING = 'nothing';

type Answer = { readonly etag?: Etag | undefined; readonly word: string };

interface Entry {
  readonly path: string;
  readonly kind: 'create' | 'replaceIf' | 'delete' | 'read';
  readonly content: string;
  readonly expected?: Etag | undefined;
  readonly calledAt: number;
  readonly writer: string;
  endedAt: number;
  /** `undefined`: never answered, or answered by a failure of the disk. */
  answer: Answer | undefined;
  /** A power failure may take back what this read saw. */
  weak: boolean;
}

/**
 * Everything that clients asked of a blob store and were told, and whether it fits together: for
 * each path the answers are those of one register that creates, compares and swaps.
 *
 * Two things are not promised, and left out: what a read of a plain file, or a read that found
 * nothing, saw of a write that was never reported and that a power failure took back.
 */
export class BlobStoreHistory {
  readonly #simulation: Pick<Simulation, 'nowMs'>;
  readonly #entries: Entry[] = [];
  readonly #contents = new Map<Etag, string>();
  #problem: string | undefined;
  #written = 0;

  /** @param simulation Whose time it is; without one, any clock. */
  constructor(simulation: Pick<Simulation, 'nowMs'>) {
    this.#simulation = simulation;
  }

  /** Content that no other write has, of a random size. */
  freshContent(sizeBytes: number): string {
    this.#written += 1;
    return `${this.#written}:`.padEnd(sizeBytes, `<${this.#written}>`);
  }

  /** A store whose calls and answers are noted. */
  watch(store: BlobStore, writer: string): WatchedStore {
    const note = async (
      call: Pick<Entry, 'path' | 'kind' | 'content' | 'expected'>,
      work: () => Promise<Answer>,
    ): Promise<Answer | undefined> => {
      const calledAt = this.#simulation.nowMs;
      const entry: Entry = {
        ...call,
        calledAt,
        writer,
        endedAt: Infinity,
        answer: undefined,
        weak: false,
      };
      this.#entries.push(entry);
      const answer = await work().catch(unknownIfUnavailable);
      entry.endedAt = answer === undefined ? Infinity : this.#simulation.nowMs;
      entry.answer = answer;
      if (answer?.etag !== undefined) this.#identify(answer.etag, entry, answer.word);
      return answer;
    };
    return {
      create: (path, content) =>
        note({ path, kind: 'create', content }, async () =>
          answerOf(await store.create(path, Buffer.from(content))),
        ),
      replaceIf: (path, content, expected) =>
        note({ path, kind: 'replaceIf', content, expected }, async () =>
          answerOf(await store.replaceIf(path, Buffer.from(content), expected)),
        ),
      delete: async (path) => {
        await note({ path, kind: 'delete', content: '' }, async () => {
          await store.delete([path]);
          return { word: 'ok' };
        });
      },
      read: (path) =>
        note({ path, kind: 'read', content: '' }, async () => {
          const found = await store.read(path);
          if (found === undefined) return { word: NOTHING };
          return { word: Buffer.from(found.bytes).toString(), etag: found.etag };
        }),
    };
  }

  /** The calls of `writer` (all, without one) that are not answered can have no effect from now on. */
  died(writer?: string): void {
    for (const entry of this.#entries) {
      if (entry.answer !== undefined || entry.endedAt !== Infinity) continue;
      if (writer === undefined || entry.writer === writer) entry.endedAt = this.#simulation.nowMs;
    }
  }

  /** A power failure. */
  crashed(): void {
    for (const entry of this.#entries) {
      const isPlain = entry.answer?.etag?.startsWith('f') !== false;
      if (entry.kind === 'read' && isPlain && this.#hasUnanswered(entry.path)) entry.weak = true;
      // That a blob made by create is there was only looked at.
      if (entry.answer?.word === 'STO-004' && this.#hasUnanswered(entry.path)) entry.weak = true;
    }
    this.died();
  }

  /** What does not fit together, if anything. */
  problem(): string | undefined {
    if (this.#problem !== undefined) return this.#problem;
    for (const path of new Set(this.#entries.map((entry) => entry.path))) {
      const calls = this.#entries
        .filter((entry) => entry.path === path && !entry.weak)
        .filter((entry) => entry.kind !== 'read' || entry.answer !== undefined)
        .map((entry) => this.#callOf(entry));
      if (isLinearizable(calls, NOTHING)) continue;
      const lines = calls.map(
        (call) => `  ${call.calledAt.toFixed(2)} - ${call.endedAt.toFixed(2)} ${call.text}`,
      );
      return `${path} is not linearizable:\n${lines.join('\n')}`;
    }
    return undefined;
  }

  #hasUnanswered(path: string): boolean {
    return this.#entries.some(
      (entry) => entry.path === path && entry.kind !== 'read' && entry.answer === undefined,
    );
  }

  /** A version has one content, and a content that was written once has one version. */
  #identify(etag: Etag, entry: Entry, word: string): void {
    const content = entry.kind === 'read' ? word : entry.content;
    const known = this.#contents.get(etag);
    if (known !== undefined && known !== content) {
      this.#problem ??= `${entry.path}: ${etag} is ${short(known)} and ${short(content)}`;
    }
    this.#contents.set(etag, content);
  }

  #callOf(entry: Entry): Call {
    const { answer, calledAt, endedAt, writer } = entry;
    const word = answer?.word;
    const expected = entry.expected && this.#contents.get(entry.expected);
    const step = (state: string): string | undefined => stepOf(entry, expected, word, state);
    const about = `${writer} ${entry.kind} ${short(entry.content)} if ${short(expected ?? '-')}`;
    return {
      text: `${about} → ${short(word ?? '?')}`,
      calledAt,
      endedAt,
      optional: answer === undefined,
      step,
    };
  }
}

export interface WatchedStore {
  create(path: string, content: string): Promise<Answer | undefined>;
  replaceIf(path: string, content: string, expected: Etag | undefined): Promise<Answer | undefined>;
  delete(path: string): Promise<void>;
  read(path: string): Promise<Answer | undefined>;
}

/** States are `nothing`, `fixed <content>` and `moving <content>`. */
function stepOf(
  entry: Entry,
  expected: string | undefined,
  word: string | undefined,
  state: string,
): string | undefined {
  const content = state.slice(state.indexOf(' ') + 1);
  // It promised that nothing came of it, whatever was there.
  if (word === REFUSED_WRITE) return state;
  switch (entry.kind) {
    case 'read':
      return word === (state === NOTHING ? NOTHING : content) ? state : undefined;
    case 'delete':
      return NOTHING;
    case 'create':
      return written(state === NOTHING, `fixed ${entry.content}`, word, state);
    case 'replaceIf': {
      if (word === 'STO-004') return state === `fixed ${expected ?? ''}` ? state : undefined;
      const fits = expected === undefined ? state === NOTHING : state === `moving ${expected}`;
      return written(fits, `moving ${entry.content}`, word, state);
    }
  }
}

function written(
  fits: boolean,
  next: string,
  word: string | undefined,
  state: string,
): string | undefined {
  const isRefused = word === 'taken' || word === 'changed';
  if (word === undefined) return fits ? next : state;
  if (isRefused) return fits ? undefined : state;
  return fits ? next : undefined;
}

function answerOf(result: Etag | 'taken' | 'changed'): Answer {
  if (result === 'taken' || result === 'changed') return { word: result };
  return { word: 'ok', etag: result };
}

function unknownIfUnavailable(error: unknown): Answer | undefined {
  if (!(error instanceof EngineError)) throw error;
  if (error.code === 'STO-004' || error.code === REFUSED_WRITE) return { word: error.code };
  const errno = errnoOf(error.cause);
  // Of S3 it is said with the word for it; of a disk only these were planned.
  const isPlanned = 'problem' in error.details || errno === 'EIO' || errno === 'ENOSPC';
  if (error.code === 'STO-001' && isPlanned) return undefined;
  throw error;
}

function short(text: string): string {
  return text.length > 12 ? `${text.slice(0, 12)}… (${text.length})` : text;
}
