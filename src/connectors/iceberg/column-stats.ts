/** What a manifest says about a data file's columns: counts of nulls and NaNs, and bounds. */
import type { Datum, Primitive } from './iceberg-type.ts';
import { compareDatum, isFloating, lowerBound, upperBound } from './single-value.ts';

/** Of one column while its file is written. Not for columns in lists and maps. */
export class ColumnStats {
  readonly fieldId: number;
  readonly #type: Primitive;
  readonly #isFloating: boolean;
  values = 0;
  nulls = 0;
  nans = 0;
  #least: Datum | undefined;
  #greatest: Datum | undefined;

  constructor(fieldId: number, type: Primitive) {
    this.fieldId = fieldId;
    this.#type = type;
    this.#isFloating = isFloating(type);
  }

  add(value: Datum | null | undefined): void {
    this.values++;
    if (value === null || value === undefined) {
      this.nulls++;
    } else if (Number.isNaN(value)) {
      // NaN is in no order, and so in no bound.
      this.nans++;
    } else if (this.#least === undefined || this.#greatest === undefined) {
      this.#least = value;
      this.#greatest = value;
    } else if (compareDatum(value, this.#least) < 0) {
      this.#least = value;
    } else if (compareDatum(value, this.#greatest) > 0) {
      this.#greatest = value;
    }
  }

  /** Undefined where NaNs cannot be. */
  get nanCount(): number | undefined {
    return this.#isFloating ? this.nans : undefined;
  }

  get lower(): Uint8Array | undefined {
    return this.#least === undefined ? undefined : lowerBound(this.#type, this.#least);
  }

  get upper(): Uint8Array | undefined {
    return this.#greatest === undefined ? undefined : upperBound(this.#type, this.#greatest);
  }
}
