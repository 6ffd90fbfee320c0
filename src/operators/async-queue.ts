/**
 * What an async operator has taken and not yet let out: elements, and the watermarks and statuses
 * between them. Two orders:
 *
 * - ordered: everything leaves as it came.
 * - unordered: between two controls elements leave as they are done; no element overtakes a control,
 *   and no control an element.
 */
import { assert } from '../common/assert.ts';

/** An element on its way. */
export interface InFlight {
  readonly value: unknown;
  /** `NaN`: none. */
  readonly timestampMs: number;
  /** The last watermark before it; `-Infinity`: none. */
  readonly watermarkMs: number;
  /** `waiting`: its call has not begun. */
  state: 'waiting' | 'running' | 'done';
  result: unknown;
  /** Set when its call has failed and that is a dead letter. */
  failure?: { readonly error: unknown };
}

export type HeldControl =
  | { readonly kind: 'watermark'; readonly watermarkMs: number }
  | { readonly kind: 'status'; readonly idle: boolean };

export type Released = { readonly kind: 'element'; readonly element: InFlight } | HeldControl;

export interface AsyncQueue {
  /** Elements in the queue, whatever their state. */
  readonly size: number;
  isEmpty(): boolean;
  add(element: InFlight): void;
  addControl(control: HeldControl): void;
  /** The state of `element` has become `done`. */
  done(element: InFlight): void;
  /** Takes what may leave next; `undefined` if nothing may yet. */
  next(): Released | undefined;
  /** All elements, in the order in which they came. */
  elements(): readonly InFlight[];
}

export function asyncQueue(ordered: boolean): AsyncQueue {
  return ordered ? new OrderedQueue() : new UnorderedQueue();
}

/** Entries at the head that are gone before their memory is given back. */
const GONE_MAX = 1024;

class OrderedQueue implements AsyncQueue {
  #entries: (Released | undefined)[] = [];
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  isEmpty(): boolean {
    return this.#head === this.#entries.length;
  }

  add(element: InFlight): void {
    this.#size++;
    this.#entries.push({ kind: 'element', element });
  }

  addControl(control: HeldControl): void {
    const last = this.#entries.length - 1;
    if (last >= this.#head && this.#entries[last]?.kind === control.kind) {
      this.#entries[last] = control;
    } else {
      this.#entries.push(control);
    }
  }

  done(): void {
    // The head tells.
  }

  next(): Released | undefined {
    const entry = this.#entries[this.#head];
    if (entry === undefined) return undefined;
    if (entry.kind === 'element') {
      if (entry.element.state !== 'done') return undefined;
      this.#size--;
    }
    this.#entries[this.#head++] = undefined;
    if (this.#head === this.#entries.length || this.#head === GONE_MAX) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    return entry;
  }

  elements(): readonly InFlight[] {
    return this.#entries.flatMap((entry) => (entry?.kind === 'element' ? entry.element : []));
  }
}

/** Elements between two controls. */
interface Segment {
  readonly elements: Set<InFlight>;
  /** Those of `elements` that are done, as they became so. */
  done: InFlight[];
  /** What comes behind; in the last segment there is nothing yet. */
  end: HeldControl | undefined;
}

class UnorderedQueue implements AsyncQueue {
  readonly #segments: Segment[] = [newSegment()];
  readonly #segmentOf = new Map<InFlight, Segment>();

  get size(): number {
    return this.#segmentOf.size;
  }

  isEmpty(): boolean {
    return this.#segments.length === 1 && this.size === 0;
  }

  add(element: InFlight): void {
    const last = this.#last();
    last.elements.add(element);
    this.#segmentOf.set(element, last);
  }

  addControl(control: HeldControl): void {
    const last = this.#last();
    const before = this.#segments.at(-2);
    if (last.elements.size === 0 && before?.end?.kind === control.kind) {
      before.end = control;
      return;
    }
    last.end = control;
    this.#segments.push(newSegment());
  }

  done(element: InFlight): void {
    this.#segmentOf.get(element)?.done.push(element);
  }

  next(): Released | undefined {
    const [first] = this.#segments;
    assert(first !== undefined, 'there is always a segment');
    const element = first.done.shift();
    if (element !== undefined) {
      first.elements.delete(element);
      this.#segmentOf.delete(element);
      return { kind: 'element', element };
    }
    if (first.elements.size > 0 || first.end === undefined) return undefined;
    this.#segments.shift();
    return first.end;
  }

  elements(): readonly InFlight[] {
    return [...this.#segmentOf.keys()];
  }

  #last(): Segment {
    const last = this.#segments.at(-1);
    assert(last !== undefined, 'there is always a segment');
    return last;
  }
}

function newSegment(): Segment {
  return { elements: new Set(), done: [], end: undefined };
}
