import { expect, it } from 'vitest';
import {
  clockFinding,
  coresFinding,
  durableFinding,
  memoryFinding,
  nodeFinding,
  type Finding,
} from './doctor.ts';

const GB = 1e9;

const CASES: readonly (readonly [Finding, Finding['verdict']])[] = [
  [nodeFinding('24.1.0'), 'good'],
  [nodeFinding('22.22.0'), 'good'],
  [nodeFinding('22.21.9'), 'bad'],
  [nodeFinding('20.0.0'), 'bad'],
  [memoryFinding(GB, 8 * GB), 'good'],
  [memoryFinding(GB / 10, 8 * GB), 'doubtful'],
  [coresFinding(4, 4), 'good'],
  [coresFinding(5, 4), 'doubtful'],
  [durableFinding('checkpoints', 'file:///x', true, 20), 'good'],
  [durableFinding('checkpoints', 'file:///x', true, 900), 'doubtful'],
  [durableFinding('checkpoints', 'file:///x', false, 20), 'bad'],
  [clockFinding('checkpoints', -1_900), 'good'],
  [clockFinding('checkpoints', 2_100), 'doubtful'],
  [clockFinding('checkpoints', -2_100), 'doubtful'],
];

it.each(CASES)('%o is %s, with advice unless it is good', (finding, verdict) => {
  expect(finding.verdict).toBe(verdict);
  expect(finding.advice === undefined).toBe(verdict === 'good');
});
