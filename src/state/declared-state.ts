import type { AnyStateDescriptor } from '../contracts/state.ts';
import type { RowCodec } from './row-codec.ts';
import type { Table } from './table.ts';

/** A state and everything that belongs to it. */
export interface DeclaredState {
  readonly descriptor: AnyStateDescriptor | 'timers';
  readonly codec: RowCodec;
  readonly table: Table;
  /** Another table that is made of the rows of `table`. */
  readonly directory?: Table;
  /** Takes a row that was restored into the state's own index. */
  readonly index: (row: number) => void;
  readonly remove: (row: number) => void;
  /** Learned from the blocks written; for estimates. */
  rowBytes: number;
}
