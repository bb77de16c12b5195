import { z } from 'zod';

/** Where an input of a model comes from: a feature of the object, such as `department.name`, or the full years since a date. */
export type BindingInput = { feature: string } | { yearsSince: string };

/** A field of a type of the schema that a model computes. Its names are checked against the schema elsewhere. */
export interface BindingRule {
  /** The type: `Employee`. */
  type: string;
  /** The field that the type gets: `expectedSalary`. */
  field: string;
  description?: string | undefined;
  /** The output of the model that is the value. */
  output: string;
  /** The feature that the output estimates. A viewer that may not read it may not read the field either. */
  target?: string | undefined;
  /** By the name of the input. */
  inputs: Record<string, BindingInput>;
}

/** Bindings of a model at most. */
const maxBindings = 20;

const name = (form: RegExp, example: string) =>
  z
    .string()
    .regex(form, `must be a name of the schema such as ${example}`)
    .max(100, 'must have 100 characters or fewer');

const feature = name(/^[a-z]\w*(\.[a-z]\w*)?$/i, 'jobLevel or department.name');

const input = z
  .union(
    [feature, z.strictObject({ yearsSince: feature })],
    'must be a feature such as jobLevel or department.name, or { yearsSince: hiredOn }',
  )
  .transform((given): BindingInput => (typeof given === 'string' ? { feature: given } : given));

export const bindingRule = z.strictObject({
  type: name(/^[A-Z]\w*$/, 'Employee'),
  field: name(/^[a-z][A-Za-z0-9]*$/, 'expectedSalary'),
  description: z.string().min(1, 'must not be empty').max(2000, 'must have 2000 characters or fewer').optional(),
  output: z.string().min(1, 'must not be empty').max(100, 'must have 100 characters or fewer'),
  target: feature.optional(),
  inputs: z
    .record(z.string().max(100), input)
    .refine((record) => Object.keys(record).length > 0, 'must name at least one input'),
});

export const bindingRules = z.array(bindingRule).max(maxBindings, `must have ${maxBindings} entries or fewer`);
