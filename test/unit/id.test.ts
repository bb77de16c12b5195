import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { TypeID } from 'typeid-js';
import { newId, timeOf } from '../../src/database/base.entity.js';
import { decodeId, encodeId, idProblem, type IdType } from '../../src/graphql/relay/global-id.js';
import { BadUserInput } from '../../src/errors/app-error.js';

const types: IdType[] = ['employee', 'department', 'user', 'apikey', 'prediction'];

describe('a new UUID', () => {
  it('has version 7, the time and the variant of RFC 9562, and is greater than those before', () => {
    const before = Date.now();
    const ids = Array.from({ length: 2_000 }, newId);
    expect(ids.filter((id) => !/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/.test(id))).toEqual(
      [],
    );
    expect(ids).toEqual([...new Set(ids)].sort());
    expect(timeOf(ids[0] ?? '')).toBeGreaterThanOrEqual(before);
    expect(timeOf(ids.at(-1) ?? '')).toBeLessThanOrEqual(Date.now());
  });

  it('has other random bits than the one before', () => {
    const bits = Array.from({ length: 1_000 }, () => newId().slice(-12));
    expect(new Set(bits).size).toBe(1_000);
  });
});

describe('an id', () => {
  it('is the type and the base32 of the UUID, as in the TypeID specification', () => {
    expect(encodeId('employee', '01890a5d-ac96-774b-bcce-b302099a8057')).toBe('employee_01h455vb4pex5vsknk084sn02q');
    expect(decodeId('employee', 'employee_01h455vb4pex5vsknk084sn02q')).toBe('01890a5d-ac96-774b-bcce-b302099a8057');
  });

  it('decodes to its UUID, for every type and every UUID', () => {
    fc.assert(
      fc.property(fc.constantFrom(...types), fc.uint8Array({ minLength: 16, maxLength: 16 }), (type, bytes) => {
        const uuid = Buffer.from(bytes)
          .toString('hex')
          .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
        const id = encodeId(type, uuid);
        expect(id).toMatch(/^[a-z]+_[0-7][0-9a-hjkmnp-tv-z]{25}$/);
        expect(decodeId(type, id)).toBe(uuid);
        expect(idProblem(type, id, 'id')).toBeNull();
      }),
    );
  });

  it('is what the library for TypeIDs encodes, for every UUID, also in upper case', () => {
    const upperCase = fc.uuid().map((uuid) => uuid.toUpperCase());
    fc.assert(
      fc.property(fc.oneof(fc.uuid(), upperCase), (uuid) => {
        expect(encodeId('employee', uuid)).toBe(TypeID.fromUUID('employee', uuid).toString());
      }),
    );
  });

  it('encodes the lowest and the highest UUID', () => {
    for (const [uuid, text] of [
      ['00000000-0000-0000-0000-000000000000', 'user_00000000000000000000000000'],
      ['ffffffff-ffff-ffff-ffff-ffffffffffff', 'user_7zzzzzzzzzzzzzzzzzzzzzzzzz'],
    ] as const) {
      expect(encodeId('user', uuid)).toBe(text);
      expect(decodeId('user', text)).toBe(uuid);
    }
  });

  it('is rejected if it has another type, naming both types', () => {
    for (const type of types) {
      for (const other of types.filter((name) => name !== type)) {
        const id = encodeId(other, '01890a5d-ac96-774b-bcce-b302099a8057');
        const problem = idProblem(type, id, 'theField');
        expect(problem?.field).toBe('theField');
        expect(problem?.message).toContain(`must be an id of type ${type} (${type}_ and 26 characters)`);
        expect(problem?.message).toContain(`is an id of type ${other}`);
      }
    }
  });

  it.each([
    ['empty', ''],
    ['a UUID', '01890a5d-ac96-774b-bcce-b302099a8057'],
    ['without a type', '01h455vb4pex5vsknk084sn02q'],
    ['with an empty type', '_01h455vb4pex5vsknk084sn02q'],
    ['in upper case', 'EMPLOYEE_01H455VB4PEX5VSKNK084SN02Q'],
    ['beyond 128 bits', 'employee_8zzzzzzzzzzzzzzzzzzzzzzzzz'],
    ['too short', 'employee_01h455vb4pex5vsknk084sn02'],
    ['too long', 'employee_01h455vb4pex5vsknk084sn02q0'],
    ['with a letter outside base32', 'employee_01h455vb4pex5vsknk084sn02u'],
    ['with a line break at its end', 'employee_01h455vb4pex5vsknk084sn02q\n'],
    ['with space around it', ' employee_01h455vb4pex5vsknk084sn02q '],
    ['with NUL', 'employee_01h455vb4pex5vsknk084sn02\0'],
    ['with SQL', "employee_01h455vb4pex5vsknk084sn02q' or 1=1 --"],
    ['that is a lone surrogate', '\ud800'],
    ['of a megabyte', 'x'.repeat(1_000_000)],
  ])('is malformed: %s', (_what, id) => {
    const problem = idProblem('employee', id, 'id');
    expect(problem?.message).toMatch(
      /^must be an id of type employee \(employee_ and 26 characters\); ".*" is malformed$/,
    );
    expect(problem?.message.length).toBeLessThan(200);
    expect(problem?.message.isWellFormed()).toBe(true);
    expect(() => decodeId('employee', id)).toThrow(BadUserInput);
  });

  it('is rejected with the name of its field, by default id', () => {
    const fieldOf = (decode: () => unknown) => {
      try {
        decode();
      } catch (error) {
        return error instanceof BadUserInput ? error.fields.map(({ field }) => field) : error;
      }
      return 'no error';
    };
    expect(fieldOf(() => decodeId('employee', 'x'))).toEqual(['id']);
    expect(fieldOf(() => decodeId('employee', 'x', 'managerId'))).toEqual(['managerId']);
    expect(
      fieldOf(() => decodeId('user', encodeId('employee', '01890a5d-ac96-774b-bcce-b302099a8057'), 'userId')),
    ).toEqual(['userId']);
  });
});
