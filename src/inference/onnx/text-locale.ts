/**
 * `StringNormalizer` converts upper and lower case by a locale of the system, by default `en_US.UTF-8`, which many systems lack. All with
 * glibc have `C.UTF-8`, whose conversion is the same.
 * Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
// With its extension on disk, since test threads run the sources.
import { mapMessages } from './map-messages.ts';
import { bytesField, FieldReader, intField, textIn } from './protobuf.ts';

const nodeFields = { operator: 4, attribute: 5 } as const;
const attributeFields = { name: 1, text: 4, type: 20 } as const;

/** Enumerators of AttributeProto.AttributeType. */
const textAttribute = 3;

/** The locales whose conversion is that of `C.UTF-8`. */
const english = /^(en_US(\.utf-?8)?)?$/i;

/** The model with `C.UTF-8` in place of `en_US.UTF-8`; the same object if it has none. @throws Error if the bytes are no ONNX graph */
export const withUnicodeLocale = (model: Buffer): Buffer =>
  mapMessages(model, (message, type) =>
    type === 'node' && textIn(message, nodeFields.operator) === 'StringNormalizer' ? normalizer(message) : message,
  );

function normalizer(node: Buffer): Buffer {
  const others: Buffer[] = [];
  const fields = new FieldReader(node);
  while (fields.next()) {
    const isLocale = fields.number === nodeFields.attribute && textIn(fields.bytes, attributeFields.name) === 'locale';
    if (isLocale && !english.test(textIn(fields.bytes, attributeFields.text))) return node;
    if (!isLocale) others.push(node.subarray(fields.start, fields.end));
  }
  const locale = Buffer.concat([
    bytesField(attributeFields.name, Buffer.from('locale')),
    bytesField(attributeFields.text, Buffer.from('C.UTF-8')),
    intField(attributeFields.type, textAttribute),
  ]);
  return Buffer.concat([...others, bytesField(nodeFields.attribute, locale)]);
}
