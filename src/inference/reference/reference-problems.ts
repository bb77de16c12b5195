import { shortened } from '../../errors/input-validation.js';
import { ownValue } from '../../errors/own-value.js';
import type { InputField, OutputField, Signature } from '../signature/types.js';
import { validateRow } from '../signature/validation.js';
import { fieldsOfRows } from './input-warnings.js';
import type { Profile, Reference } from './reference.js';

/** Maximum problems of a reference. */
const maxProblems = 10;

/**
 * What of a reference does not fit the version: profiles of other inputs or outputs, or of the wrong kind, and a base row that the
 * version would reject.
 * @param label the version in messages: `iris/1`
 */
export function referenceProblems(signature: Signature, reference: Reference | null, label: string): string[] {
  if (!reference) return [];
  const { inputs, outputs = {}, base } = reference;
  const problems = [
    ...profileProblems('inputs', inputs, fieldsOfRows(signature), kindsOfInput),
    ...profileProblems('outputs', outputs, signature.outputs, kindsOfOutput),
    ...(base ? validateRow(signature, base, maxProblems) : []).map(({ field, message }) => `base.${field} ${message}`),
  ];
  return problems.slice(0, maxProblems).map((problem) => `${label}/reference.json: ${problem}`);
}

function profileProblems<Field extends { name: string }>(
  group: 'inputs' | 'outputs',
  profiles: Readonly<Record<string, { kind: Profile['kind'] }>>,
  fields: readonly Field[],
  kindsFor: (field: Field) => Profile['kind'][],
): string[] {
  const byName = Object.fromEntries(fields.map((field) => [field.name, field]));
  const names = shortened(Object.keys(byName).join(', '), 200);
  return Object.entries(profiles).flatMap(([name, { kind }]) => {
    const field = ownValue(byName, name);
    if (!field) return [`${group}.${shortened(name)} is no ${group.slice(0, -1)} of the model, which has ${names}`];
    const fitting = kindsFor(field);
    if (fitting.includes(kind)) return [];
    const place = `${group}.${name} is a ${kind} profile; this ${group.slice(0, -1)}`;
    return [fitting.length > 0 ? `${place} needs ${fitting.join(' or ')}` : `${place} has none; remove the profile`];
  });
}

function kindsOfInput({ type, rowShape }: InputField): Profile['kind'][] {
  if (type === 'boolean') return ['category'];
  if (type === 'string') return rowShape.length > 0 ? [] : ['category', 'text'];
  return rowShape.length > 0 ? ['list'] : ['number', 'category'];
}

/** Vectors have no profile. */
function kindsOfOutput({ type, rowShape }: OutputField): Profile['kind'][] {
  if (rowShape.length > 0) return [];
  return type === 'float' || type === 'integer' ? ['number', 'category'] : ['category'];
}
