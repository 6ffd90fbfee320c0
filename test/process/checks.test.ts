// Goal: a check that has gone blind fails here, not in a review.
// Method: checks run over small projects in temporary folders. A planted fault must be named,
// and what the style allows must pass.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { HOT_PATH_FILES } from '../../eslint.hot-path.js';

const [HOT_PATH_FILE = '', OTHER_HOT_PATH_FILE = ''] = HOT_PATH_FILES;
const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));

let root: string;

beforeEach(() => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-checks-')));
  fs.symlinkSync(path.join(REPOSITORY, 'node_modules'), path.join(root, 'node_modules'));
});

afterEach(() => fs.rmSync(root, { recursive: true, force: true }));

function writeIn(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), text);
  }
}

const write = (files: Readonly<Record<string, string>>): void => writeIn(root, files);

function node(...args: string[]): { code: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
  });
  return { code: status, output: stdout + stderr };
}

const titleOf = (text: string): string => text.split('\n', 1).join().slice(0, 80);

describe('check:rooms', () => {
  function rooms(): { code: number | null; output: string } {
    for (const name of ['.dependency-cruiser.cjs', 'tsconfig.json', 'package.json']) {
      fs.copyFileSync(path.join(REPOSITORY, name), path.join(root, name));
    }
    write({
      'src/index.ts': 'export {};',
      'src/common/ids.ts': 'export const id = 1;',
      'src/storage/blob-store.ts': 'export interface BlobStore { get(): void }',
      'src/runtime/task.ts': 'export const task = 1;',
    });
    const program = path.join(REPOSITORY, 'node_modules/.bin/depcruise');
    return node(program, 'src', 'examples*', '--config', '--output-type', 'err', '--no-cache');
  }

  const faults: Readonly<Record<string, readonly [string, string]>> = {
    'room-common': ['src/common/clock.ts', "import '../runtime/task.ts';"],
    'room-graph': ['src/graph/plan.ts', "import type {} from '../runtime/task.ts';"],
    'room-testing': ['src/testing/harness.ts', "import '../rest/server.ts';"],
    'every-room-is-known': ['src/utils/text.ts', "import '../common/ids.ts';"],
    'no-cycles': ['src/rest/server-again.ts', "import './server.ts';"],
    resolvable: ['src/serde/codec.ts', "import './absent.ts';"],
    'connectors-stay-apart': ['src/connectors/kafka/sink.ts', "import '../file/sink.ts';"],
    'commands-load-late': ['src/cli/run.ts', "import '../runtime/task.ts';"],
    'clients-only-at-the-edge': ['src/runtime/loop.ts', "import 'zod';"],
    'serde-has-msgpackr': ['src/serde/general.ts', "import 'fflate';"],
    'pure-rooms': ['src/checkpoint/coordinator.ts', "import 'node:fs';"],
    'no-undeclared-package': ['src/rest/routes.ts', "import 'fast-check';"],
    'examples-are-users': ['examples/job.ts', "import '../src/runtime/task.ts';"],
    'examples-use-the-package-name': ['examples/other.ts', "import '../src/index.ts';"],
    'nothing-imports-tools': ['src/cluster/job-master.ts', "import '../../bench/load.ts';"],
  };
  it('finds what each rule forbids', () => {
    write({
      'src/rest/server.ts': "import './server-again.ts';",
      'src/connectors/file/sink.ts': 'export {};',
      'bench/load.ts': 'export {};',
      ...Object.fromEntries(Object.values(faults)),
    });

    const { code, output } = rooms();

    const found = output.matchAll(/error ([\w-]+): (\S+)/g);
    const pairs = [...found].map(([, rule, file]) => `${rule ?? ''}: ${file ?? ''}`);
    expect(pairs).toEqual(
      expect.arrayContaining(Object.entries(faults).map(([rule, [file]]) => `${rule}: ${file}`)),
    );
    expect(code).not.toBe(0);
  });

  it('allows what the table of rooms allows', () => {
    write({
      'src/serde/general.ts': "import 'msgpackr';",
      'src/state/backend.ts': "import '../storage/blob-store.ts'; import 'node:fs';",
      'src/testing/simulator.ts': "import '../storage/blob-store.ts'; import '../runtime/task.ts';",
      'src/connectors/kafka/sink.ts': "import 'zod'; import './source.ts';",
      'src/connectors/kafka/source.ts': "import '../../storage/blob-store.ts';",
      'src/cli/run.ts':
        "import 'commander'; import type {} from '../runtime/task.ts'; await import('../runtime/task.ts');",
      'src/common/clock.test.ts': "import '../runtime/task.ts';",
      'examples/job.ts': "import 'tidemark'; import './support/data.ts';",
      'examples/support/data.ts': 'export {};',
    });

    expect(rooms()).toMatchObject({ code: 0 });
  });
});

describe('check:lint', () => {
  const faults: readonly (readonly [rule: string, text: string])[] = [
    ['no-restricted-properties', 'export const now = Date.now();'],
    ['no-restricted-properties', 'export const chance = Math.random();'],
    ['no-restricted-properties', 'process.nextTick(() => undefined);'],
    ['no-restricted-syntax', 'export const now = new Date();'],
    [
      'no-restricted-syntax',
      "import { setTimeout as wait } from 'node:timers/promises'; await wait(1);",
    ],
    [
      'no-restricted-syntax',
      "import { randomUUID } from 'node:crypto'; export const id = randomUUID();",
    ],
    ['no-restricted-syntax', "throw new Error('no code');"],
    ['no-restricted-syntax', "export const made: unknown = new Function('return 1');"],
    ['no-restricted-globals', 'setTimeout(() => undefined, 1);'],
    ['no-restricted-globals', 'export const now = performance.now();'],
    ['no-restricted-globals', 'queueMicrotask(() => undefined);'],
    ['@typescript-eslint/no-explicit-any', 'export const value: any = 1;'],
    ['@typescript-eslint/no-floating-promises', 'Promise.resolve();'],
    ['@typescript-eslint/no-non-null-assertion', 'export const one = Uint8Array.of(1)[0]!;'],
    ['max-lines-per-function', `export function long() {\n${'long();\n'.repeat(70)}}`],
    ['max-lines', 'export {};\n'.repeat(501)],
    ['no-console', "console.log('here');"],
  ];
  for (const [index, [rule, text]] of faults.entries()) {
    it(`finds what ${rule} forbids: ${titleOf(text)}`, () => {
      expect(found(`src/runtime/fault-${index}.ts`)).toContain(rule);
    });
  }

  const allowed: readonly (readonly [file: string, text: string])[] = [
    ['src/common/clock.ts', 'export const now = (): number => Date.now() + performance.now();'],
    ['bench/load.ts', 'setTimeout(() => undefined, Math.random());'],
    ['src/runtime/codegen-chain.ts', "export const made: unknown = new Function('return 1');"],
    ['src/runtime/day.ts', 'export const day = (ms: number): Date => new Date(ms);'],
    [HOT_PATH_FILE, 'export const one = (bytes: Uint8Array): number => bytes[0]!;'],
    ['src/runtime/task.test.ts', `export function long(): void {\n${'long();\n'.repeat(70)}}`],
  ];
  for (const [file, text] of allowed) {
    it(`allows in ${file}: ${titleOf(text)}`, () => {
      expect(found(file)).toEqual([]);
    });
  }

  it('allows ! behind typed arrays only, also on the hot path', () => {
    expect(found(OTHER_HOT_PATH_FILE)).toEqual(['tidemark/typed-array-non-null']);
  });

  /** By file, what one run over all of them finds. */
  const problems = new Map<string, string[]>();
  const found = (file: string) => problems.get(file);

  beforeAll(async () => {
    const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-lint-')));
    try {
      fs.symlinkSync(path.join(REPOSITORY, 'node_modules'), path.join(folder, 'node_modules'));
      const compilerOptions = { strict: true, noUncheckedIndexedAccess: true, types: ['node'] };
      writeIn(folder, {
        'tsconfig.json': JSON.stringify({ compilerOptions }),
        ...Object.fromEntries(faults.map(([, text], at) => [`src/runtime/fault-${at}.ts`, text])),
        ...Object.fromEntries(allowed),
        [OTHER_HOT_PATH_FILE]: 'export const first = (names: string[]): string => names[0]!;',
      });
      const overrideConfigFile = path.join(REPOSITORY, 'eslint.config.js');
      const eslint = new ESLint({ cwd: folder, overrideConfigFile });
      for (const { filePath, messages } of await eslint.lintFiles(['.'])) {
        const rules = messages.map(({ ruleId }) => ruleId ?? 'broken');
        problems.set(path.relative(folder, filePath), rules);
      }
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });
});

describe('check:errors', () => {
  const PAGE = '# CHK-001: x\n\n## What happened\n\n## Usual causes\n\n## What to do\n';
  const USE = "throw new EngineError('CHK-001', 'invalid', 'x is y');";

  function errors(files: Readonly<Record<string, string>>): {
    code: number | null;
    output: string;
  } {
    write({ 'src/index.ts': 'export {};', ...files });
    return node(path.join(REPOSITORY, 'scripts/check-errors.ts'), root);
  }

  it('passes when each code has its page', () => {
    const subclass = "super(\n  'STA-001', 'corrupt', `x of ${y}`);";
    const twice = { 'src/a.ts': USE, 'src/b.ts': USE };
    const pages = {
      'docs/errors/CHK-001.md': PAGE,
      'docs/errors/STA-001.md': PAGE.replace('CHK', 'STA'),
    };

    expect(errors({ ...twice, 'src/c.ts': subclass, ...pages })).toEqual({ code: 0, output: '' });
  });

  const faults: readonly (readonly [string, Readonly<Record<string, string>>, string])[] = [
    ['a code without a page', { 'src/a.ts': USE }, 'src/a.ts:1: CHK-001 has no page'],
    ['a page without a code', { 'docs/errors/CHK-001.md': PAGE }, 'nothing in src/ uses CHK-001'],
    [
      'a code with two meanings',
      {
        'src/a.ts': USE,
        'src/b.ts': USE.replace('y', 'z'),
        'docs/errors/CHK-001.md': PAGE,
      },
      'src/b.ts:1: CHK-001 has another summary at src/a.ts:1',
    ],
    [
      'a page without its sections',
      { 'src/a.ts': USE, 'docs/errors/CHK-001.md': PAGE.replace('## What to do', '') },
      'section "## What to do" is missing',
    ],
  ];
  it.each(faults)('finds %s', (_, files, message) => {
    const { code, output } = errors(files);

    expect(output).toContain(message);
    expect(code).toBe(1);
  });
});

describe('check:lock', () => {
  const native = { optionalDependencies: { 'native-arm': '1.0.0' } };
  const whole = {
    '': { dependencies: { native: '1.0.0', 'pre-release': '1.0.0-rc.1' } },
    'node_modules/native': native,
    'node_modules/native/node_modules/native-arm': { version: '1.0.0' },
    'node_modules/user/node_modules/native': native,
    'node_modules/user/node_modules/native-arm': { version: '1.0.0' },
  };

  function lock(packages: Readonly<Record<string, unknown>>): {
    code: number | null;
    output: string;
  } {
    write({ 'package-lock.json': JSON.stringify({ packages }) });
    return node(path.join(REPOSITORY, 'scripts/check-lock.ts'), root);
  }

  it('passes a whole lock', () => {
    expect(lock(whole)).toEqual({ code: 0, output: '' });
  });

  it.each([
    ['a range', { '': { devDependencies: { tool: '^1.0.0' } } }, 'tool: "^1.0.0" is not an exact'],
    ['an address', { 'node_modules/tool': { resolved: 'https://a.b/c.tgz' } }, 'has an address'],
    ['a missing platform', { 'node_modules/other': native }, 'other: native-arm is missing'],
  ])('finds %s', (_, packages, message) => {
    const { code, output } = lock({ ...whole, ...packages });

    expect(output).toContain(message);
    expect(code).toBe(1);
  });
});

describe('check:words', () => {
  function words(text: string): { code: number | null; output: string } {
    write({ 'notes.md': text });
    for (const args of [
      ['init', '--quiet'],
      ['add', 'notes.md'],
    ]) {
      spawnSync('git', args, { cwd: root });
    }
    return node(path.join(REPOSITORY, 'scripts/check-words.ts'), root);
  }

  // In halves, so that this file passes the check itself.
  const faults = [
    'see /wor' + 'k/notes',
    '../shar' + 'ed/notes',
    'TO' + 'DO',
    'registry.' + 'npmjs.org',
  ];
  it.each(faults)('finds %s', (text) => {
    const { code, output } = words(`first line\n${text}\n`);

    expect(output).toContain('notes.md:2: ');
    expect(code).toBe(1);
  });

  it('passes other words', () => {
    expect(words('A framework/library at https://a.example/work/done, todo')).toEqual({
      code: 0,
      output: '',
    });
  });
});
