/** Which word of a command line is being typed: what a shell may offer there. */
import type { Argument, Command, Option } from 'commander';
import { withFlinkSpellings } from './flink-spellings.ts';

export interface Candidate {
  readonly value: string;
  /** For people; may be empty. */
  readonly about: string;
}

/** What the word may be. */
export type Kind = 'job' | 'living job' | 'snapshot' | 'setting' | 'file' | 'directory';

export interface Place {
  /** The beginning of the word. */
  readonly current: string;
  readonly candidates: readonly Candidate[];
  readonly kinds: readonly Kind[];
}

const OF_ARGUMENTS: Readonly<Record<string, Kind>> = {
  job: 'living job',
  snapshot: 'snapshot',
  file: 'file',
  directory: 'directory',
  folder: 'directory',
};

/** Commands that also know jobs that are over. */
const READING = new Set(['status', 'checkpoints', 'logs']);

const OF_OPTIONS: Readonly<Record<string, Kind>> = {
  savepointPath: 'directory',
  withSavepoint: 'directory',
  data: 'directory',
  fromSavepoint: 'snapshot',
  diff: 'snapshot',
  dispose: 'snapshot',
  config: 'file',
  D: 'setting',
};

/** Words that stand for a snapshot where a job is to start from it. */
const LATEST = { value: 'latest', about: 'the newest of the job' };

/** @param words What is typed behind `tidemark`; the last one up to the cursor. */
export function placeOf(program: Command, words: readonly string[]): Place {
  const current = words.at(-1) ?? '';
  const before = withFlinkSpellings(words.slice(0, -1));
  // What stands behind it is the job's own.
  if (before.includes('--')) return { current, candidates: [], kinds: ['file'] };
  const { command, option, position } = walk(program, before);
  const ofOption = option === undefined ? [] : [valuesOf(option)];
  if (option?.required === true) return joined(current, ofOption);
  if (current.startsWith('-')) {
    const candidates = command.options.filter(({ hidden }) => !hidden).flatMap(spellings);
    return joined(current, [{ candidates, kinds: [] }]);
  }
  if (command.commands.length > 0 && position === 0) {
    const visible = command.createHelp().visibleCommands(command);
    const candidates = visible.map((each) => ({ value: each.name(), about: each.description() }));
    return joined(current, [{ candidates, kinds: [] }]);
  }
  const last = command.registeredArguments.at(-1);
  const argument =
    command.registeredArguments[position] ?? (last?.variadic === true ? last : undefined);
  const ofArgument = argument === undefined ? [] : [valuesOfArgument(argument, command)];
  return joined(current, [...ofOption, ...ofArgument]);
}

interface Walked {
  readonly command: Command;
  /** One that stands right before the cursor and may have a value. */
  readonly option: Option | undefined;
  /** Arguments before the cursor. */
  readonly position: number;
}

function walk(program: Command, before: readonly string[]): Walked {
  let command = program;
  let option: Option | undefined;
  let position = 0;
  for (const word of before) {
    const isValue = option?.required === true || (option?.optional === true && !isOption(word));
    if (isValue) {
      option = undefined;
      continue;
    }
    option = isOption(word) ? optionOf(command, word) : undefined;
    if (isOption(word)) continue;
    const below =
      position === 0 ? command.commands.find((each) => each.name() === word) : undefined;
    if (below === undefined) position += 1;
    else command = below;
  }
  const takes = option?.required === true || option?.optional === true;
  return { command, option: takes ? option : undefined, position };
}

function optionOf({ options }: Command, word: string): Option | undefined {
  return options.find(({ short, long }) => word === short || word === long);
}

function isOption(word: string): boolean {
  return word.startsWith('-') && word !== '-';
}

type Values = Pick<Place, 'candidates' | 'kinds'>;

function valuesOf(option: Option): Values {
  const name = option.attributeName();
  const kind = OF_OPTIONS[name];
  const choices = (option.argChoices ?? []).map((value) => ({ value, about: '' }));
  const more = name === 'fromSavepoint' ? [LATEST] : [];
  return { candidates: [...choices, ...more], kinds: kind === undefined ? [] : [kind] };
}

function valuesOfArgument(argument: Argument, command: Command): Values {
  const kind = OF_ARGUMENTS[argument.name()];
  const isRead = kind === 'living job' && READING.has(command.name());
  const kinds: Kind[] = kind === undefined ? [] : [isRead ? 'job' : kind];
  return { candidates: (argument.argChoices ?? []).map((value) => ({ value, about: '' })), kinds };
}

function spellings({ short, long, description: about }: Option): Candidate[] {
  return [long, short].flatMap((value) => (value === undefined ? [] : [{ value, about }]));
}

function joined(current: string, all: readonly Values[]): Place {
  return {
    current,
    candidates: all.flatMap(({ candidates }) => candidates),
    kinds: all.flatMap(({ kinds }) => kinds),
  };
}
