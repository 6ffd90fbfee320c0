/**
 * An error as Flink's clients read it: beside its text they want the bytes of a serialized
 * `org.apache.flink.util.SerializedThrowable`, and fail without showing the text if there are none.
 * So the bytes are written here, by the "Object Serialization Stream Protocol" of Java: one object
 * of that class, whose fields are the message, the name of the class and the text of the stack. It
 * holds nothing that a client would have to load.
 */
import { EngineError } from '../common/errors.ts';

/** `failure-cause` of an answer. */
export function failureCause(error: unknown): Record<string, string> {
  const name = error instanceof EngineError || !(error instanceof Error) ? 'Error' : error.name;
  const message = error instanceof Error ? error.message : String(error);
  // Flink's clients print the stack as it is; ours says nothing that the message does not.
  const stack = `${name}: ${message}`;
  return {
    class: name,
    'stack-trace': stack,
    'serialized-throwable': serializedThrowable(name, message, stack).toString('base64'),
  };
}

const [OBJECT, CLASS, NULL, REFERENCE, TEXT, END] = [0x73, 0x72, 0x70, 0x71, 0x74, 0x78];
const [PLAIN, WITH_WRITE_METHOD] = [2, 3];
/** A text's length is two bytes, and so is that of its characters, of up to three bytes each. */
const CHARACTERS_MAX = 20_000;

function serializedThrowable(name: string, message: string, stack: string): Buffer {
  return Buffer.concat([
    Buffer.from([0xac, 0xed, 0, 5, OBJECT]),
    classOf('org.apache.flink.util.SerializedThrowable', '65169df51fa713f3', PLAIN, [
      // The second text of the stream: class descriptions, too, count as things to refer to.
      ['L', 'fullStringifiedStackTrace', text('Ljava/lang/String;')],
      ['L', 'originalErrorClassName', STRING_TYPE],
      ['[', 'serializedException', text('[B')],
    ]),
    classOf('java.lang.Exception', 'd0fd1f3e1a3b1cc4', PLAIN, []),
    classOf('java.lang.Throwable', 'd5c635273977b8cb', WITH_WRITE_METHOD, [
      ['L', 'cause', text('Ljava/lang/Throwable;')],
      ['L', 'detailMessage', STRING_TYPE],
      ['[', 'stackTrace', text('[Ljava/lang/StackTraceElement;')],
      ['L', 'suppressedExceptions', text('Ljava/util/List;')],
    ]),
    // No class above Throwable; then the fields, those of the uppermost class first.
    Buffer.from([NULL, NULL]),
    text(message),
    Buffer.from([NULL, NULL, END]),
    text(stack),
    text(name),
    Buffer.from([NULL]),
  ]);
}

/** To the text `Ljava/lang/String;`, which is the second thing in the stream. */
const STRING_TYPE = Buffer.from([REFERENCE, 0, 0x7e, 0, 1]);

type Field = readonly [kind: string, name: string, type: Buffer];

function classOf(name: string, version: string, flags: number, fields: readonly Field[]): Buffer {
  return Buffer.concat([
    Buffer.from([CLASS]),
    shortText(name),
    Buffer.from(version, 'hex'),
    Buffer.from([flags, 0, fields.length]),
    ...fields.flatMap(([kind, field, type]) => [Buffer.from(kind), shortText(field), type]),
    Buffer.from([END]),
  ]);
}

function text(said: string): Buffer {
  return Buffer.concat([Buffer.from([TEXT]), shortText(said.slice(0, CHARACTERS_MAX))]);
}

/** Java's own UTF-8: surrogates one by one, and no byte of zero. */
function shortText(said: string): Buffer {
  const bytes: number[] = [];
  for (let i = 0; i < said.length; i += 1) {
    const unit = said.charCodeAt(i);
    if (unit > 0 && unit < 0x80) bytes.push(unit);
    else if (unit < 0x800) bytes.push(0xc0 | (unit >> 6), 0x80 | (unit & 63));
    else bytes.push(0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 63), 0x80 | (unit & 63));
  }
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, Buffer.from(bytes)]);
}
