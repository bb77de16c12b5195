import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { base64urlOf } from '../../../src/graphql/relay/base64url.js';

describe('base64urlOf', () => {
  it('encodes every text as a buffer does', () => {
    const text = fc.oneof(fc.string({ maxLength: 60 }), fc.string({ unit: 'grapheme', maxLength: 60 }));
    fc.assert(fc.property(text, (value) => expect(base64urlOf(value)).toBe(Buffer.from(value).toString('base64url'))));
  });

  it.each(['', 'a', 'ab', 'abc', '["1"]', 'ä', 'aé', '~~~', '\u{10ffff}', '\ud800', 'x'.repeat(48), 'x'.repeat(49)])(
    'encodes %j',
    (value) => {
      expect(base64urlOf(value)).toBe(Buffer.from(value).toString('base64url'));
    },
  );
});
