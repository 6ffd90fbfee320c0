import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

// One project per tier of tests. The first four need no build: they see `tidemark` as src/. The
// last two start real processes from dist/, so `tidemark` means dist/ there, as for a user.
const FROM_SOURCE = [
  {
    find: /^tidemark\/iceberg$/,
    replacement: new URL('src/connectors/iceberg/index.ts', import.meta.url).pathname,
  },
  {
    find: /^tidemark\/kafka$/,
    replacement: new URL('src/connectors/kafka/kafka.ts', import.meta.url).pathname,
  },
  {
    find: /^tidemark\/parquet$/,
    replacement: new URL('src/connectors/file/parquet.ts', import.meta.url).pathname,
  },
  {
    find: /^tidemark\/testing$/,
    replacement: new URL('src/testing/index.ts', import.meta.url).pathname,
  },
  {
    find: /^tidemark\/config$/,
    replacement: new URL('src/config.ts', import.meta.url).pathname,
  },
  { find: /^tidemark$/, replacement: new URL('src/index.ts', import.meta.url).pathname },
];

const SECOND_MS = 1_000;

/** Files that last long. A clean machine knows no durations, and goes by the sizes of files. */
const LONGEST = [
  'health-pipeline-kills',
  'health-pipeline-start',
  'documented-commands',
  'task-managers',
  'health-pipeline-refusals',
  'operating',
  'coordinator-thread',
  'standby',
  'health-pipeline-million',
  'health-pipeline-real',
  's3-documented-commands',
  's3-standby',
  'health-pipeline-s3',
  'kafka-exactly-once',
  's3-jobs',
  'kafka-cluster',
];

/** Begins with what lasts longest, so that all workers end together. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
      return at === -1 ? LONGEST.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  cacheDir: '.cache/vite',
  test: {
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    slowTestThreshold: 5 * SECOND_MS,
    projects: [
      tier('unit', ['src/**/*.test.ts'], 30 * SECOND_MS),
      tier('conformance', ['test/conformance/**/*.test.ts'], 120 * SECOND_MS),
      tier('simulation', ['test/simulation/**/*.test.ts'], 120 * SECOND_MS),
      tier('golden', ['test/golden/**/*.test.ts'], 30 * SECOND_MS),
      tier('process', ['test/process/**/*.test.ts'], 120 * SECOND_MS, []),
      tier('integration', ['test/integration/**/*.test.ts'], 600 * SECOND_MS, []),
    ],
  },
});

function tier(name: string, include: string[], timeoutMs: number, alias = FROM_SOURCE) {
  return {
    extends: true as const,
    resolve: { alias },
    test: { name, include, testTimeout: timeoutMs, hookTimeout: timeoutMs },
  };
}
