/*
 * Goal: a job that may use Kafka, and does not in this run, does not pay for its library: importing
 * `tidemark/kafka` and saying what a source and a sink would be loads nothing of it. (How long an import takes
 * depends on the machine; what is loaded does not.)
 * Method: small programs with a hook that writes down every module that is loaded.
 * Replay: npm run test:process -- entry-modules
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { NodeProcess, REPOSITORY } from '../support/tidemark-process.ts';

/** Beyond those of `tidemark`. More would cost more than importing them may: 30 ms. */
const MODULES_MAX = 70;

const DEFINES = `
  import { fromString, kafkaSink, kafkaSource } from 'tidemark/kafka';
  const brokers = '127.0.0.1:1';
  const source = kafkaSource({
    brokers,
    topics: 'orders',
    deserializer: fromString(),
    properties: { 'default.api.timeout.ms': 1 },
  });
  kafkaSink({ brokers, topic: 'totals', delivery: 'exactly-once', compression: 'zstd' });
`;

const CONNECTS = `
  ${DEFINES}
  import { systemClock } from './dist/common/clock.js';
  import { systemRandom } from './dist/common/random.js';
  const world = { clock: systemClock, random: systemRandom };
  const enumerator = source.enumerator({ world, uid: 'orders', parallelism: 1 }, undefined);
  await enumerator.start().then(
    () => process.exit(3),
    ({ code }) => console.log(code),
  );
`;

let root: string;

beforeAll(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-modules-'));
});

afterAll(() => {
  fs.rmSync(root, { recursive: true });
});

async function modulesOf(program: string) {
  const file = path.join(root, 'modules');
  fs.rmSync(file, { force: true });
  const hook = `--import=${REPOSITORY}/test/support/list-modules.mjs`;
  const args = [hook, '--input-type=module', '--eval', program];
  const { code, stdout, stderr } = await new NodeProcess(args, { env: { TEST_MODULES: file } })
    .ended;
  expect(code, stderr).toBe(0);
  const urls = fs.readFileSync(file, 'utf8').split('\n');
  const modules = urls
    .filter((url) => url.startsWith('file:'))
    .map((url) => url.split(REPOSITORY)[1] ?? url);
  return { modules, stdout };
}

it('tidemark/kafka loads no package beyond those of tidemark', async () => {
  const { modules: engine } = await modulesOf(`import 'tidemark';`);
  const { modules } = await modulesOf(`import 'tidemark'; ${DEFINES}`);
  const more = modules.filter((each) => !engine.includes(each));
  expect(more).toContain('/dist/connectors/kafka/kafka.js');
  expect(more.filter((each) => each.includes('/node_modules/'))).toEqual([]);
  expect(more.length).toBeLessThan(MODULES_MAX);
});

it('tidemark/kafka loads its library when it looks for a broker', async () => {
  const { modules, stdout } = await modulesOf(CONNECTS);
  expect(stdout.trim()).toBe('KAF-003');
  expect(modules).toContain('/node_modules/@platformatic/kafka/dist/index.js');
});
