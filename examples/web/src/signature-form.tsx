import { useEffect, useRef, type ReactNode } from 'react';
import { textOf } from './form.ts';
import type { ModelsQuery } from './generated/graphql.ts';

type ListedModel = ModelsQuery['models'][number];

/** A model with a current version; others are shown to administrators, for their problems. */
export type Model = ListedModel & { current: NonNullable<ListedModel['current']> };

export const isServed = (model: ListedModel): model is Model => model.current !== null;

type Input = Model['current']['inputs'][number];

/** Error messages by input name; those of no input have an empty name. */
export type Problems = Partial<Record<string, string>>;

/** Longer lists of open values are suggestions of a text field. */
const maxChoices = 10;

/** The lengths of the lists in one row: [] for a single value, [8, 8] for an image. */
const sizesOf = ({ shape }: Input): (number | null)[] => {
  const sizes = shape.slice(1);
  return sizes.every((size) => size === 1) ? [] : sizes;
};

interface InputFieldProps {
  input: Input;
  value: string;
  onChange: (value: string) => void;
  problem: string | undefined;
}

/** A field for an input of a model: a choice, a number, a text, an image file, or a list of numbers with one line per row. */
export function InputField({ input, value, onChange, problem }: InputFieldProps): ReactNode {
  const { name, required, description, type, media, values } = input;
  const isList = sizesOf(input).length > 0;
  const choices = type === 'boolean' ? ['true', 'false'] : (values ?? []);
  const isImage = media === 'image';
  const isChoice = !isList && choices.length > 0 && choices.length <= maxChoices;
  const shared = {
    id: name,
    name,
    value,
    'aria-invalid': problem !== undefined,
    'aria-describedby': `${name}-hint`,
    onChange: ({ target }: { target: { value: string } }) => onChange(target.value),
  };
  return (
    <div className={isList || isImage ? 'field is-wide' : 'field'}>
      <label htmlFor={name}>
        {labelOf(name)}
        {unitOf(input)}
        {!required && <span className="muted"> (optional)</span>}
      </label>
      {isImage && <ImageField input={input} shared={shared} value={value} onChange={onChange} />}
      {isList && <ListField input={input} shared={shared} value={value} />}
      {isChoice && (
        <select {...shared} required={required}>
          <option value="">{required ? 'Choose…' : 'Unknown'}</option>
          {choices.map((choice) => (
            <option key={choice}>{choice}</option>
          ))}
        </select>
      )}
      {!isImage && !isList && !isChoice && (
        <>
          <input
            {...shared}
            type="text"
            inputMode={type === 'string' ? 'text' : type === 'integer' ? 'numeric' : 'decimal'}
            list={choices.length > 0 ? `${name}-values` : undefined}
            autoComplete="off"
            required={required}
          />
          {choices.length > 0 && (
            <datalist id={`${name}-values`}>
              {choices.map((choice) => (
                <option key={choice} value={choice} />
              ))}
            </datalist>
          )}
        </>
      )}
      <small id={`${name}-hint`} className={problem === undefined ? 'muted' : 'problem'}>
        {problem ?? ([rangeOf(input), description].filter(Boolean).join('. ') || ' ')}
      </small>
    </div>
  );
}

interface ImageFieldProps extends Pick<InputFieldProps, 'input' | 'value' | 'onChange'> {
  shared: { id: string; name: string; 'aria-invalid': boolean; 'aria-describedby': string };
}

/** A file field for an image, which is sent as a data URL, and a picture of it. */
function ImageField({ input, shared, value, onChange }: ImageFieldProps): ReactNode {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    // Only a script can clear a file field.
    if (value === '' && field.current) field.current.value = '';
  }, [value]);
  return (
    <div className="image">
      <input
        id={shared.id}
        aria-invalid={shared['aria-invalid']}
        aria-describedby={shared['aria-describedby']}
        ref={field}
        type="file"
        accept="image/jpeg,image/png"
        onChange={({ target }) => void dataUrlOf(target.files?.[0]).then(onChange)}
      />
      <input type="hidden" name={shared.name} value={value} />
      {value !== '' && (
        <>
          <img src={value} alt={`Chosen file of ${labelOf(input.name)}`} />
          <button type="button" onClick={() => onChange('')}>
            Remove
          </button>
        </>
      )}
    </div>
  );
}

/** A file as a data URL; an empty text without a file, or if it cannot be read. */
function dataUrlOf(file: File | undefined): Promise<string> {
  return new Promise((resolve) => {
    if (!file) {
      resolve('');
      return;
    }
    const reader = new FileReader();
    reader.onload = () => resolve(typeof reader.result === 'string' ? reader.result : '');
    reader.onerror = () => resolve('');
    reader.readAsDataURL(file);
  });
}

/** A text field with one line per row, and a picture of it if the input is an image. */
function ListField({ input, shared, value }: { input: Input; shared: object; value: string }): ReactNode {
  const sizes = sizesOf(input);
  const rows = linesOf(value).map(wordsOf);
  const highest = input.maximum ?? Math.max(1, ...rows.flat().map(Number));
  return (
    <div className="list">
      <textarea {...shared} rows={Math.min(sizes.length > 1 ? (sizes[0] ?? 3) : 1, 16)} spellCheck={false} />
      {sizes.length === 2 && (
        <svg
          viewBox={`0 0 ${sizes[1] ?? 1} ${sizes[0] ?? 1}`}
          role="img"
          aria-label={`Picture of ${labelOf(input.name)}`}
        >
          {rows.flatMap((row, y) =>
            row.map((word, x) => (
              <rect key={`${x} ${y}`} x={x} y={y} width="1" height="1" opacity={Number(word) / highest || 0} />
            )),
          )}
        </svg>
      )}
    </div>
  );
}

/** Reads the row that a form describes. The gateway validates everything else, such as ranges. */
export function readRow(
  inputs: readonly Input[],
  form: FormData,
): { row: Record<string, unknown>; problems?: never } | { row?: never; problems: Problems } {
  const problems: Problems = {};
  const row: Record<string, unknown> = {};
  for (const input of inputs) {
    const text = textOf(form, input.name);
    if (text === '') {
      if (input.required) problems[input.name] = 'is required';
      continue;
    }
    const value = sizesOf(input).length > 0 ? listIn(text, input) : valueIn(text, input);
    if (value === undefined) problems[input.name] = expectationOf(input);
    else row[input.name] = value;
  }
  return Object.keys(problems).length > 0 ? { problems } : { row };
}

/** The text of a value in the form, as `readRow` reads it. */
export function textIn(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (!Array.isArray(value)) return typeof value === 'string' ? value : JSON.stringify(value);
  return value.every((item) => !Array.isArray(item)) ? value.join(' ') : value.map(textIn).join('\n');
}

function listIn(text: string, input: Input): unknown[] | undefined {
  const rows = linesOf(text).map((line) => wordsOf(line).map((word) => valueIn(word, input)));
  if (rows.flat().includes(undefined)) return undefined;
  return sizesOf(input).length > 1 ? rows : rows.flat();
}

function valueIn(text: string, { type }: Input): string | number | boolean | undefined {
  if (type === 'string') return text;
  if (type === 'boolean') return text === 'true';
  const number = Number(text.replaceAll(/[\s,]/g, ''));
  return (type === 'integer' ? Number.isInteger(number) : Number.isFinite(number)) ? number : undefined;
}

const linesOf = (text: string): string[] => text.split('\n').filter((line) => line.trim() !== '');
const wordsOf = (line: string): string[] => line.split(/[\s,]+/).filter(Boolean);

const expectationOf = (input: Input): string => {
  const what = input.type === 'integer' ? 'whole number' : 'number';
  return sizesOf(input).length > 0 ? `must have only ${what}s, separated by spaces` : `must be a ${what}`;
};

/** `km_driven` becomes "Km driven". */
export function labelOf(name: string): string {
  const words = name.replaceAll(/[_\W]+/g, ' ').trim();
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}`;
}

/** The unit after the label, unless the name states it already: `mileage_mpg`. */
function unitOf({ name, unit }: Input): string {
  const isNamed = labelOf(name)
    .toLowerCase()
    .split(' ')
    .includes(unit?.toLowerCase() ?? '');
  return unit === null || isNamed ? '' : `, ${unit}`;
}

function rangeOf({ minimum, maximum }: Input): string {
  const plain = new Intl.NumberFormat(undefined, { useGrouping: (maximum ?? 0) > 9999 });
  if (minimum === null || maximum === null) return '';
  return `${plain.format(minimum)} to ${plain.format(maximum)}`;
}
