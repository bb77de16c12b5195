import { CombinedGraphQLErrors } from '@apollo/client/errors';
import { useApolloClient, useQuery } from '@apollo/client/react';
import { useRef, useState, type ReactNode, type SubmitEvent } from 'react';
import { textOf } from './form.ts';
import { problemOf } from './gateway.ts';
import {
  CarModelDocument,
  CarPriceDocument,
  CarPriceFuel,
  CarPriceTransmission,
  PredictionSource,
  type CarModelQuery,
  type CarPriceInput,
  type CarPriceQuery,
} from './generated/graphql.ts';
import { RecentPredictions } from './recent-predictions.tsx';

/** A field of the form. What is allowed in it the model says itself, under the name that it has there. */
interface Field {
  name: keyof CarPriceInput;
  label: string;
  inModel: string;
  kind: 'text' | 'whole' | 'choice';
  isRequired?: true;
  /** Where absent, the values that the model knows. */
  choices?: readonly string[];
}

const fields: readonly Field[] = [
  { name: 'company', label: 'Maker', inModel: 'company', kind: 'text', isRequired: true },
  { name: 'year', label: 'Year of first registration', inModel: 'year', kind: 'whole', isRequired: true },
  { name: 'kmDriven', label: 'Distance driven, km', inModel: 'km_driven', kind: 'whole', isRequired: true },
  { name: 'fuel', label: 'Fuel', inModel: 'fuel', kind: 'choice', choices: Object.values(CarPriceFuel) },
  { name: 'transmission', label: 'Gearbox', inModel: 'transmission', kind: 'choice', choices: Object.values(CarPriceTransmission) },
  { name: 'owner', label: 'Owner who sells', inModel: 'owner', kind: 'choice' },
  { name: 'maxPowerBhp', label: 'Power, bhp', inModel: 'max_power_bhp', kind: 'whole' },
  { name: 'engineCc', label: 'Engine, cc', inModel: 'engine_cc', kind: 'whole' },
];

type Problems = Partial<Record<string, string>>;
type Answer =
  | { phase: 'none' }
  | { phase: 'asking' }
  | { phase: 'answered'; price: CarPriceQuery['predictCarPrice'][number] }
  | { phase: 'refused'; problems: Problems }
  | { phase: 'failed'; problem: string };

/** Asks what a used car would cost, and shows what was asked lately. */
export function Price(): ReactNode {
  const client = useApolloClient();
  const { data } = useQuery(CarModelDocument);
  const [answer, setAnswer] = useState<Answer>({ phase: 'none' });
  const form = useRef<HTMLFormElement>(null);

  async function ask(car: CarPriceInput): Promise<Answer> {
    try {
      // Each question is a new one: whether the answer was known already, the gateway says.
      const result = await client.query({ query: CarPriceDocument, variables: { car }, fetchPolicy: 'no-cache' });
      const price = result.data?.predictCarPrice[0];
      return price ? { phase: 'answered', price } : { phase: 'failed', problem: 'The model gave no answer.' };
    } catch (error) {
      const problems = problemsOf(error);
      return Object.keys(problems).length > 0 ? { phase: 'refused', problems } : { phase: 'failed', problem: problemOf(error) };
    }
  }

  async function submit(event: SubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    if (answer.phase === 'asking') return;
    const { car, problems } = read(new FormData(event.currentTarget));
    setAnswer({ phase: 'asking' });
    const next: Answer = car ? await ask(car) : { phase: 'refused', problems };
    setAnswer(next);
    const faulty = next.phase === 'refused' ? fields.find(({ name }) => next.problems[name]) : undefined;
    if (faulty) form.current?.querySelector<HTMLElement>(`#${faulty.name}`)?.focus();
  }

  const problems = answer.phase === 'refused' ? answer.problems : {};
  return (
    <div className="columns">
      <form ref={form} className="card" noValidate onSubmit={(event) => void submit(event)}>
        <div className="fields">
          {fields.map((field) => (
            <FormField key={field.name} field={field} inModel={data?.model?.current.inputs.find(({ name }) => name === field.inModel)} problem={problems[field.name]} />
          ))}
        </div>
        <div className="answer-line">
          <button type="submit" className="primary" aria-disabled={answer.phase === 'asking'}>
            {answer.phase === 'asking' ? 'Asking…' : 'Estimate the price'}
          </button>
          <PriceAnswer answer={answer} />
        </div>
        <p className="muted about">{data?.model?.description}</p>
      </form>
      <RecentPredictions />
    </div>
  );
}

type ModelInput = NonNullable<CarModelQuery['model']>['current']['inputs'][number];

function FormField({ field: { name, label, kind, isRequired, choices }, inModel, problem }: { field: Field; inModel: ModelInput | undefined; problem: string | undefined }): ReactNode {
  const known = (choices ?? inModel?.values ?? []).map(String);
  const hint = hintOf(inModel);
  const shared = { id: name, name, 'aria-invalid': problem !== undefined, 'aria-describedby': `${name}-hint` };
  return (
    <div className="field">
      <label htmlFor={name}>
        {label}
        {!isRequired && <span className="muted"> (optional)</span>}
      </label>
      {kind === 'choice' && (
        <select {...shared}>
          <option value="">Not known</option>
          {known.map((value) => (
            <option key={value}>{value}</option>
          ))}
        </select>
      )}
      {kind === 'text' && <input {...shared} type="text" list={`${name}-known`} autoComplete="off" required={isRequired} />}
      {kind === 'text' && (
        <datalist id={`${name}-known`}>
          {known.map((value) => (
            <option key={value} value={value} />
          ))}
        </datalist>
      )}
      {kind === 'whole' && <input {...shared} type="text" inputMode="numeric" autoComplete="off" required={isRequired} />}
      <small id={`${name}-hint`} className={problem === undefined ? 'muted' : 'problem'}>
        {problem ?? hint}
      </small>
    </div>
  );
}

const rupees = new Intl.NumberFormat(undefined, { style: 'currency', currency: 'INR', maximumFractionDigits: 0 });

const sourceTexts = {
  [PredictionSource.Model]: 'computed just now',
  [PredictionSource.Cache]: 'known from before',
  [PredictionSource.Stale]: 'an older answer, since the model is busy',
} as const;

function PriceAnswer({ answer }: { answer: Answer }): ReactNode {
  return (
    <div className="answer" role="status">
      {answer.phase === 'answered' && (
        <>
          <strong>{rupees.format(answer.price.sellingPrice)}</strong>
          <span className="badge" title={sourceTexts[answer.price.source]}>
            {answer.price.source}
          </span>
          <span className="muted">version {answer.price.version}</span>
        </>
      )}
      {answer.phase === 'refused' && <span className="problem">{answer.problems[''] ?? 'Please look at the marked fields.'}</span>}
      {answer.phase === 'failed' && <span className="problem">{answer.problem}</span>}
    </div>
  );
}

/** The row as the gateway wants it. What it would refuse of itself, such as numbers out of range, is left to it. */
function read(form: FormData): { car: CarPriceInput; problems?: never } | { car?: never; problems: Problems } {
  const problems: Problems = {};
  const row: Record<string, string | number> = {};
  for (const { name, kind, isRequired } of fields) {
    const text = textOf(form, name);
    const value = kind === 'whole' ? Number(text.replaceAll(/[\s,]/g, '')) : text;
    if (text === '') {
      if (isRequired) problems[name] = 'is required';
    } else if (kind === 'whole' && !Number.isInteger(value)) problems[name] = 'must be a whole number';
    else row[name] = value;
  }
  return Object.keys(problems).length > 0 ? { problems } : { car: row as unknown as CarPriceInput };
}

/** What the gateway says of each field; what belongs to no field of the form is under the empty name. */
function problemsOf(error: unknown): Problems {
  if (!CombinedGraphQLErrors.is(error)) return {};
  const told = error.errors.flatMap(({ extensions }) => (extensions?.fields ?? []) as { field: string; message: string }[]);
  return Object.fromEntries(told.map(({ field, message }) => (fields.some(({ name }) => name === field) ? [field, message] : ['', `${field} ${message}`])));
}

function hintOf(input: ModelInput | undefined): string {
  if (input?.minimum == null || input.maximum === null) return ' ';
  const plain = new Intl.NumberFormat(undefined, { useGrouping: input.maximum > 9999 });
  return `${plain.format(input.minimum)} to ${plain.format(input.maximum)}`;
}
