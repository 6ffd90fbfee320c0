import { fc, test as property } from '../../../test/support/property.ts';
import { describe, expect, test } from 'vitest';
import { ColumnStats } from './column-stats.ts';
import { primitiveOf, type Datum, type Primitive } from './iceberg-type.ts';
import { compareDatum, lowerBound, singleValueBytes, upperBound } from './single-value.ts';
