/** What a source of replayed letters keeps in checkpoints. */
import type { Serializer } from '../../../serde/serializer.ts';
import { serializerOf } from '../../../serde/structural-serializer.ts';

/** A data file, with the row to go on at. */
export interface LetterSplit {
  location: string;
  sizeBytes: number;
  row: number;
}

export interface LetterFilesState {
  /** The newest snapshot whose files are known; empty: none. */
  seen: string;
  /** Whether a bounded source has looked. */
  complete: boolean;
  /** Files that no reader has got yet. */
  pending: LetterSplit[];
}

const SPLIT = {
  kind: 'object',
  fields: [
    { name: 'location', type: { kind: 'string' } },
    { name: 'sizeBytes', type: { kind: 'float64' } },
    { name: 'row', type: { kind: 'float64' } },
  ],
} as const;

export const letterSplits: Serializer<LetterSplit> = serializerOf(SPLIT);

export const letterFilesState: Serializer<LetterFilesState> = serializerOf({
  kind: 'object',
  fields: [
    { name: 'seen', type: { kind: 'string' } },
    { name: 'complete', type: { kind: 'boolean' } },
    { name: 'pending', type: { kind: 'array', of: SPLIT } },
  ],
});
