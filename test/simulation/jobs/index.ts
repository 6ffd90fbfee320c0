import { DEAD_LETTERS } from './dead-letters.ts';
import { JOINED } from './joined.ts';
import { KEYED } from './keyed.ts';
import { STATELESS } from './stateless.ts';
import { TIMED } from './timed.ts';
import type { Topology } from './topology.ts';
import { WINDOWS } from './windows.ts';

export const TOPOLOGIES: readonly Topology[] = [
  ...STATELESS,
  ...KEYED,
  ...TIMED,
  ...WINDOWS,
  ...JOINED,
  ...DEAD_LETTERS,
];
