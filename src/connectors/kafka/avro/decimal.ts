/** Avro's decimals, which are whole numbers with a scale, as texts: `-12.30` is -1230 with scale 2. */

/** Big-endian two's complement to text. No bytes: 0. */
export function decimalText(bytes: Uint8Array, scale: number): string {
  let unscaled = 0n;
  for (const byte of bytes) unscaled = (unscaled << 8n) | BigInt(byte);
  unscaled = BigInt.asIntN(Math.max(8, bytes.length * 8), unscaled);
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  const sign = unscaled < 0n ? '-' : '';
  if (scale === 0) return sign + digits;
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** Undefined: it is no decimal, or needs more digits than there are. */
export function unscaledOf(value: unknown, scale: number, precision: number): bigint | undefined {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'bigint') {
    return undefined;
  }
  const [, sign = '', whole = '', part = ''] =
    /^([+-]?)(\d+)(?:\.(\d*))?$/.exec(String(value)) ?? [];
  const rest = part.slice(scale);
  if (whole === '' || /[^0]/.test(rest)) return undefined;
  const magnitude = BigInt(whole + part.slice(0, scale).padEnd(scale, '0'));
  if (magnitude >= 10n ** BigInt(precision)) return undefined;
  return sign === '-' ? -magnitude : magnitude;
}

/** @param sizeBytes Of a fixed type; undefined: as few as it takes. Undefined: it does not fit. */
export function decimalBytes(unscaled: bigint, sizeBytes: number | undefined): Buffer | undefined {
  let size = 1;
  while (BigInt.asIntN(size * 8, unscaled) !== unscaled) size += 1;
  if (sizeBytes !== undefined && size > sizeBytes) return undefined;
  const bytes = Buffer.alloc(sizeBytes ?? size);
  let rest = unscaled;
  for (let at = bytes.length - 1; at >= 0; at--) {
    bytes[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}
