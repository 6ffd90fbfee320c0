import { assert } from '../common/assert.ts';
import type { KeySelector } from '../graph/operator-spec.ts';
import type { ChainEdge, ChainPlan, ChainPosition } from './chain-plan.ts';
import { atMoment, indent, keyGroupText, quoted } from './codegen-text.ts';
import type { Inline, TimestampShape } from './inline.ts';

/** Names in the text: of the value, its timestamp and its hash. */
interface RecordNames {
  readonly value: string;
  readonly timestamp: string;
  /** Undefined: it has to be computed. */
  readonly hash?: string | undefined;
}

/** Writes the text of one chain; what it means stands in `codegen-chain.ts`. */
export class ChainText {
  readonly #plan: ChainPlan;
  readonly #constants = new Set<string>();
  #names = 0;

  constructor(plan: ChainPlan) {
    this.#plan = plan;
  }

  text(): string {
    const { positions, name } = this.#plan;
    const body = positions.flatMap((_, position) => this.#outputs(position)).concat(this.#runs());
    const outputs = positions.map((_, position) => `output_${position}`);
    return [
      `// Chain ${quoted(name)}`,
      `'use strict';`,
      'const flow = d.flow, keyHash = d.keyHash, keyGroupOf = d.keyGroupOf, check = d.check;',
      'let at = 0;',
      ...this.#constants,
      ...body,
      `return { runBatch: [run_0, run_1], outputs: [${outputs.join(', ')}], position: () => at, enter(position) { at = position; } };`,
    ].join('\n');
  }

  /** The functions through which a position's operator and user code emit. */
  #outputs(position: number): string[] {
    const { operator, uid } = this.#at(position);
    const kind = operator.inline?.kind;
    const comment = `// ${position}: ${kind ?? 'operator'} ${quoted(uid)}`;
    if (kind === 'source') {
      return [
        comment,
        ...this.#source(position),
        `const output_${position} = { ...d.noOutput, source: source_${position} };`,
      ];
    }
    if (!emitsByCall(kind)) return [comment, `const output_${position} = d.noOutput;`];
    const m = `moment_${position}`;
    this.#constants.add(`const ${m} = d.moments[${position}];`);
    const now: RecordNames = { value: 'v', timestamp: 't' };
    return [
      comment,
      `function emit_${position}(v) {`,
      ...indent([
        `const t = ${m}.timestampMs;`,
        ...this.#emit(position, undefined, now),
        `at = ${position};`,
      ]),
      '}',
      ...this.#sides(position, now),
      `class User_${position} {`,
      ...indent([
        `emit(v) { emit_${position}(v); }`,
        ...atMoment(m, `emitAt(v, t)`, `emit_${position}(v);`),
      ]),
      '}',
      `const output_${position} = {`,
      ...indent([
        ...atMoment(m, `emit(v, t)`, `emit_${position}(v);`, ','),
        ...atMoment(m, `side(tagId, v, t)`, `side_${position}(tagId, v);`, ','),
        `user: new User_${position}(),`,
        `userSide(tag, v) { side_${position}(tag.id, v); },`,
        'source: undefined,',
      ]),
      '};',
    ];
  }

  #sides(position: number, now: RecordNames): string[] {
    const { links, edges } = this.#at(position);
    const tags = new Set([...links, ...edges].flatMap(({ output }) => output ?? []));
    const cases = [...tags].flatMap((tag) => [
      `case ${quoted(tag)}: {`,
      ...indent([...this.#emit(position, tag, now), 'break;']),
      '}',
    ]);
    return [
      `function side_${position}(tagId, v) {`,
      ...indent([
        ...(cases.length === 0
          ? []
          : [
              `const t = moment_${position}.timestampMs;`,
              'switch (tagId) {',
              ...indent(cases),
              '}',
            ]),
        `at = ${position};`,
      ]),
      '}',
    ];
  }

  /** What a source's reader emits into. */
  #source(position: number): string[] {
    const { operator } = this.#at(position);
    const inline = operator.inline;
    if (inline?.kind !== 'source') return [];
    this.#constants.add(`const splits_${position} = d.inline[${position}].splits;`);
    const progress = `splits_${position}.progress`;
    return [
      // A class of its own: code that has seen outputs of several chains can tell them apart by it.
      `class Source_${position} {`,
      ...indent([
        'emit(v, splitId, timestampMs) {',
        ...indent([
          `if (splitId !== splits_${position}.splitId) splits_${position}.select(splitId);`,
          `splits_${position}.recordsRead += 1;`,
          ...this.#timestamp(position, inline, {
            value: 'v',
            current: 'timestampMs === undefined ? NaN : timestampMs',
            progress,
          }),
          ...this.#emit(position, undefined, { value: 'v', timestamp: 't' }),
          `at = ${position};`,
          'return !flow.stop;',
        ]),
        '}',
        `splitFinished(splitId) { splits_${position}.finished(splitId); }`,
      ]),
      '}',
      `const source_${position} = new Source_${position}();`,
    ];
  }

  /** Gives the record its timestamp, `t`, and the watermark generator its share. */
  #timestamp(
    position: number,
    shape: TimestampShape,
    names: { readonly value: string; readonly current: string; readonly progress: string },
    t = 't',
  ): string[] {
    const own = shape.timestamp !== undefined;
    if (own) this.#constants.add(`const timestamp_${position} = d.inline[${position}].timestamp;`);
    const needsProgress = shape.hasWatermarks || shape.hasIdleness;
    const progress = `progress_${t}`;
    return [
      ...(own
        ? [
            `at = ${position};`,
            `const ${t} = timestamp_${position}(${names.value});`,
            `if (typeof ${t} !== 'number' || !(${t} >= -8.64e15 && ${t} <= 8.64e15)) throw d.badTimestamp(d.uids[${position}], ${t});`,
          ]
        : [`const ${t} = ${names.current};`]),
      ...(needsProgress ? [`const ${progress} = ${names.progress};`] : []),
      ...(shape.hasWatermarks
        ? [`if (${t} > ${progress}.maxTimestampMs) ${progress}.maxTimestampMs = ${t};`]
        : []),
      ...(shape.hasIdleness ? [`if (!${progress}.active) ${progress}.activate();`] : []),
    ];
  }

  /** Hands a record to all consumers of one output of a position. */
  #emit(position: number, output: string | undefined, record: RecordNames): string[] {
    const { links, edges } = this.#at(position);
    const lines: string[] = [];
    let names = record;
    if (this.#plan.check !== undefined) {
      const value = this.#name('checked');
      lines.push(`at = ${position};`, `const ${value} = check(${record.value});`);
      names = { ...record, value };
    }
    const inChain = links.filter((link) => link.output === output);
    for (const { to } of inChain) {
      const text = this.#deliver(to, 0, names);
      lines.push(...(inChain.length === 1 ? text : ['{', ...indent(text), '}']));
    }
    const hashes = new Map<KeySelector, string>();
    edges.forEach((edge, index) => {
      if (edge.output !== output) return;
      const e = `${position}_${index}`;
      if (edge.partitioner.kind === 'hash' && !hashes.has(edge.partitioner.key)) {
        const h = this.#name('hash');
        hashes.set(edge.partitioner.key, h);
        this.#constants.add(`const key_${e} = d.edges[${position}][${index}].key;`);
        lines.push(`at = ${position};`, `const ${h} = keyHash(key_${e}(${names.value}));`);
      }
      const hash = edge.partitioner.kind === 'hash' ? hashes.get(edge.partitioner.key) : undefined;
      lines.push(...this.#route(edge, e, { ...names, hash }));
    });
    return lines;
  }

  #route(edge: ChainEdge, e: string, record: RecordNames): string[] {
    const [position = '0', index = '0'] = e.split('_');
    const writers = `d.edges[${position}][${index}].writers`;
    const { value, timestamp, hash = '0' } = record;
    const append = (writer: string) =>
      `if (!${writer}.append(${value}, ${timestamp}, ${hash})) flow.stop = true;`;
    const comment = `// to ${quoted(edge.id)}`;
    const count = edge.writers.length;
    if (count === 1) {
      this.#constants.add(`const writer_${e} = ${writers}[0];`);
      return [comment, append(`writer_${e}`)];
    }
    this.#constants.add(`const writers_${e} = ${writers};`);
    switch (edge.partitioner.kind) {
      case 'hash': {
        this.#constants.add(`const targets_${e} = d.edges[${position}][${index}].targets;`);
        const group = keyGroupText(hash, this.#plan.maxParallelism);
        return [comment, append(`writers_${e}[targets_${e}[${group}]]`)];
      }
      case 'rebalance':
      case 'forward': {
        const n = this.#name('next');
        this.#constants.add(`let turn_${e} = 0;`);
        return [
          comment,
          `const ${n} = turn_${e};`,
          `turn_${e} = ${n} + 1 === ${count} ? 0 : ${n} + 1;`,
          append(`writers_${e}[${n}]`),
        ];
      }
      case 'broadcast':
        return [
          comment,
          `for (let i = 0; i < ${count}; i++) {`,
          ...indent([append(`writers_${e}[i]`)]),
          '}',
        ];
    }
  }

  /** Gives a record to an operator. */
  #deliver(position: number, input: 0 | 1, record: RecordNames): string[] {
    const { operator } = this.#at(position);
    const inline = input === 0 ? operator.inline : undefined;
    const enter = `at = ${position};`;
    const i = `d.inline[${position}]`;
    const { value, timestamp } = record;
    switch (inline?.kind) {
      case 'map': {
        const mapped = this.#name('v');
        const call = `${this.#constant(position, 'map', `${i}.map`)}(${value})`;
        return [
          enter,
          `const ${mapped} = ${call};`,
          ...this.#emit(position, undefined, { value: mapped, timestamp }),
        ];
      }
      case 'filter': {
        const call = `${this.#constant(position, 'filter', `${i}.filter`)}(${value})`;
        const rest = this.#emit(position, undefined, { value, timestamp });
        return [enter, `if (${call}) {`, ...indent(rest), '}'];
      }
      case 'assign-timestamps': {
        const t = this.#name('t');
        const progress = this.#constant(position, 'progress', `${i}.progress`);
        return [
          ...this.#timestamp(position, inline, { value, current: timestamp, progress }, t),
          ...this.#emit(position, undefined, { value, timestamp: t }),
        ];
      }
      case 'flat-map':
      case 'process':
      case 'sink':
        return [enter, ...this.#call(position, inline, record)];
      case 'keyed-process':
      case 'reduce':
        return [enter, ...this.#deliverKeyed(position, inline, record)];
      case 'source':
      case undefined: {
        const o = this.#constant(position, 'operator', `d.operators[${position}]`);
        const call = input === 0 ? 'processElement' : 'processElement2';
        return [
          enter,
          ...this.#setKey(position, input, record).lines,
          ...this.#moment(position, timestamp),
          `${o}.${call}(${value}, ${timestamp});`,
        ];
      }
    }
  }

  /** Calls user code that emits by itself, or nothing. */
  #call(
    position: number,
    inline: Extract<Inline, { kind: 'flat-map' | 'process' | 'sink' }>,
    { value, timestamp }: RecordNames,
  ): string[] {
    const i = `d.inline[${position}]`;
    switch (inline.kind) {
      case 'flat-map': {
        const call = `${this.#constant(position, 'flatMap', `${i}.flatMap`)}(${value}, output_${position}.user);`;
        return [...this.#moment(position, timestamp), call];
      }
      case 'process': {
        const process = this.#constant(position, 'process', `${i}.process`);
        const context = this.#constant(position, 'context', `${i}.context`);
        return [
          ...this.#moment(position, timestamp),
          `${process}.processElement(${value}, ${context});`,
        ];
      }
      case 'sink': {
        const writer = this.#constant(position, 'sink', `${i}.writer`);
        const queue = this.#constant(position, 'queue', `${i}.queue`);
        const writing = this.#name('writing');
        return [
          `if (${queue}.busy) ${queue}.later(${value}, ${timestamp});`,
          'else {',
          ...indent([
            `const ${writing} = ${writer}.write(${value}, ${timestamp} === ${timestamp} ? ${timestamp} : undefined);`,
            `if (${writing} !== undefined) ${queue}.wait(${writing});`,
          ]),
          '}',
        ];
      }
    }
  }

  #deliverKeyed(
    position: number,
    inline: Extract<Inline, { kind: 'keyed-process' | 'reduce' }>,
    record: RecordNames,
  ): string[] {
    const { value, timestamp } = record;
    const { lines, key } = this.#setKey(position, 0, record);
    const i = `d.inline[${position}]`;
    if (inline.kind === 'keyed-process') {
      this.#constants.add(`const process_${position} = ${i}.process;`);
      this.#constants.add(`const context_${position} = ${i}.context;`);
      return [
        ...lines,
        `context_${position}.key = ${key};`,
        ...this.#moment(position, timestamp),
        `process_${position}.processElement(${value}, context_${position});`,
      ];
    }
    this.#constants.add(`const state_${position} = ${i}.state;`);
    const reduced = this.#name('v');
    return [
      ...lines,
      `state_${position}.add(${value});`,
      `const ${reduced} = state_${position}.get();`,
      ...this.#emit(position, undefined, { value: reduced, timestamp }),
    ];
  }

  #setKey(
    position: number,
    input: 0 | 1,
    record: RecordNames,
  ): { readonly lines: string[]; readonly key: string } {
    const { keys, backend } = this.#at(position);
    if (keys[input] === undefined || backend === undefined) return { lines: [], key: 'undefined' };
    const key = this.#name('key');
    const selector = `selector_${position}_${input}`;
    this.#constants.add(`const ${selector} = d.keys[${position}][${input}];`);
    this.#constants.add(`const backend_${position} = d.backends[${position}];`);
    const lines = [
      `const ${key} = ${selector}(${record.value});`,
      `backend_${position}.setCurrentKey(${key}, ${record.hash ?? `keyHash(${key})`});`,
    ];
    return { lines, key };
  }

  #moment(position: number, timestamp: string): string[] {
    this.#constants.add(`const moment_${position} = d.moments[${position}];`);
    return [`moment_${position}.timestampMs = ${timestamp};`];
  }

  /** The loops over a batch, one for each input. */
  #runs(): string[] {
    const head = this.#at(0);
    const isSource = head.operator.inline?.kind === 'source';
    return ([0, 1] as const).flatMap((input) => {
      const exists = input === 0 ? !isSource : head.operator.processElement2 !== undefined;
      if (!exists) return [`const run_${input} = undefined;`];
      const hash = this.#plan.hashedInputs[input] === true ? 'hashes[i]' : undefined;
      const record: RecordNames = { value: 'v', timestamp: 't', hash };
      return [
        `function run_${input}(batch, from) {`,
        ...indent([
          'const values = batch.values, timestamps = batch.timestamps, hashes = batch.hashes, size = batch.size;',
          'for (let i = from; i < size; i++) {',
          ...indent([
            'const v = values[i], t = timestamps[i];',
            ...this.#deliver(0, input, record),
            'if (flow.stop) return i + 1;',
          ]),
          '}',
          'return size;',
        ]),
        '}',
      ];
    });
  }

  #at(position: number): ChainPosition {
    const found = this.#plan.positions[position];
    assert(found !== undefined, `a chain has no position ${position}`);
    return found;
  }

  #constant(position: number, name: string, from: string): string {
    const unique = `${name}_${position}`;
    this.#constants.add(`const ${unique} = ${from};`);
    return unique;
  }

  #name(prefix: string): string {
    return `${prefix}${this.#names++}`;
  }
}

/** Whether a record behind such an operator comes from a call of user code or of the operator. */
function emitsByCall(kind: Inline['kind'] | undefined): boolean {
  switch (kind) {
    case 'map':
    case 'filter':
    case 'assign-timestamps':
    case 'reduce':
    case 'sink':
    case 'source':
      return false;
    case 'flat-map':
    case 'process':
    case 'keyed-process':
    case undefined:
      return true;
  }
}
