/** Compares two JSON values by their shape: keys, nesting, types; not by their values. */

/** How `ours` differs from `theirs`, as `path: what`; empty if their shapes are one. */
export function shapeDifferences(theirs: unknown, ours: unknown, at = ''): string[] {
  // A field that held nothing when it was recorded tells no type.
  if (theirs === null) return [];
  if (Array.isArray(theirs) && Array.isArray(ours)) {
    if (theirs.length === 0) return [];
    return unique(ours.flatMap((item) => nearest(theirs, item, `${at}[]`)));
  }
  if (isObject(theirs) && isObject(ours)) return objectDifferences(theirs, ours, at);
  const [wanted, got] = [typeOf(theirs), typeOf(ours)];
  return wanted === got ? [] : [`${at}: ${got} instead of ${wanted}`];
}

function objectDifferences(theirs: Fields, ours: Fields, at: string): string[] {
  const [wanted, got] = [withoutIds(theirs), withoutIds(ours)];
  const keys = unique([...Object.keys(wanted), ...Object.keys(got)]);
  return keys.flatMap((key) => {
    const place = `${at}.${key}`;
    if (!Object.hasOwn(got, key)) return [`${place}: missing`];
    if (!Object.hasOwn(wanted, key)) return [`${place}: not theirs`];
    return shapeDifferences(wanted[key], got[key], place);
  });
}

/** Entries of a list need not be alike: the nearest of theirs counts. */
function nearest(theirs: readonly unknown[], ours: unknown, at: string): string[] {
  const all = theirs.map((each) => shapeDifferences(each, ours, at));
  return all.reduce((best, each) => (each.length < best.length ? each : best));
}

/** Ids as keys are one key. */
function withoutIds(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      /^[0-9a-f]{32}$/.test(key) ? '<id>' : key,
      value,
    ]),
  );
}

type Fields = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function typeOf(value: unknown): string {
  if (value === 'NaN') return 'number';
  return value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value;
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}
