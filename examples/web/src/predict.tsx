import { CombinedGraphQLErrors } from '@apollo/client/errors';
import { useApolloClient, useQuery } from '@apollo/client/react';
import { useRef, useState, type ReactNode, type SubmitEvent } from 'react';
import { problemOf } from './gateway.ts';
import { ModelsDocument, PredictDocument, type PredictQuery } from './generated/graphql.ts';
import { Outputs } from './outputs.tsx';
import { RecentPredictions } from './recent-predictions.tsx';
import { InputField, isServed, readRow, textIn, type Model, type Problems } from './signature-form.tsx';

type Attempt =
  | { phase: 'idle' }
  | { phase: 'loading' }
  | { phase: 'ready'; prediction: NonNullable<PredictQuery['predict'][number]> }
  | { phase: 'invalid'; problems: Problems }
  | { phase: 'failed'; problem: string };

/** Runs any served model, beside recent predictions. */
export function Predict(): ReactNode {
  const { data, error, refetch } = useQuery(ModelsDocument);
  const [name, setName] = useState('');
  const models = data?.models.filter(isServed);
  const model = models?.find((one) => one.name === name) ?? models?.[0];
  return (
    <div className="columns">
      <div className="card">
        {error && !data && (
          <div className="notice" role="alert">
            <p>{problemOf(error)}</p>
            <button type="button" onClick={() => void refetch()}>
              Try again
            </button>
          </div>
        )}
        {models?.length === 0 && <p className="muted">No models are served.</p>}
        {model && (
          <>
            <div className="field">
              <label htmlFor="model">Model</label>
              <select id="model" value={model.name} onChange={({ target }) => setName(target.value)}>
                {models?.map((one) => (
                  <option key={one.name} value={one.name}>
                    {one.title}
                  </option>
                ))}
              </select>
            </div>
            <p className="muted about">{model.description}</p>
            <ModelForm key={model.name} model={model} />
          </>
        )}
      </div>
      {/* Shown with the form, which would move it on a phone. */}
      <div hidden={!data && !error}>
        <RecentPredictions />
      </div>
    </div>
  );
}

/** A form with a field for each input of the model. */
function ModelForm({ model }: { model: Model }): ReactNode {
  const client = useApolloClient();
  const { inputs, outputs, exampleInput } = model.current;
  const [values, setValues] = useState<Record<string, string>>({});
  const [attempt, setAttempt] = useState<Attempt>({ phase: 'idle' });
  const form = useRef<HTMLFormElement>(null);

  async function predict(row: Record<string, unknown>): Promise<Attempt> {
    try {
      // Not cached here: the response says whether the gateway had the prediction in its cache.
      const variables = { model: model.name, row };
      const result = await client.query({ query: PredictDocument, variables, fetchPolicy: 'no-cache' });
      const prediction = result.data?.predict[0];
      return prediction
        ? { phase: 'ready', prediction }
        : { phase: 'failed', problem: 'The model returned no prediction.' };
    } catch (error) {
      const problems = problemsOf(error, model);
      return Object.keys(problems).length > 0
        ? { phase: 'invalid', problems }
        : { phase: 'failed', problem: problemOf(error) };
    }
  }

  async function submit(event: SubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    if (attempt.phase === 'loading') return;
    const { row, problems } = readRow(inputs, new FormData(event.currentTarget));
    setAttempt({ phase: 'loading' });
    const next: Attempt = row ? await predict(row) : { phase: 'invalid', problems };
    setAttempt(next);
    const firstInvalid = next.phase === 'invalid' ? inputs.find((input) => next.problems[input.name]) : undefined;
    if (firstInvalid) document.getElementById(firstInvalid.name)?.focus();
  }

  function fillIn(example: Record<string, unknown>): void {
    setValues(Object.fromEntries(Object.entries(example).map(([name, value]) => [name, textIn(value)])));
    setAttempt({ phase: 'idle' });
  }

  const problems = attempt.phase === 'invalid' ? attempt.problems : {};
  return (
    <form ref={form} className="model-form" noValidate onSubmit={(event) => void submit(event)}>
      <div className="fields">
        {inputs.map((input) => (
          <InputField
            key={input.name}
            input={input}
            value={values[input.name] ?? ''}
            onChange={(value) => setValues((before) => ({ ...before, [input.name]: value }))}
            problem={problems[input.name]}
          />
        ))}
      </div>
      <div className="result-line">
        <button type="submit" className="primary" aria-disabled={attempt.phase === 'loading'}>
          {attempt.phase === 'loading' ? 'Predicting…' : 'Predict'}
        </button>
        {exampleInput && (
          <button type="button" onClick={() => fillIn(exampleInput)}>
            Fill in an example
          </button>
        )}
      </div>
      <div className="result" role="status">
        {attempt.phase === 'ready' && <Outputs prediction={attempt.prediction} outputs={outputs} />}
        {attempt.phase === 'invalid' && (
          <span className="problem">{problems[''] ?? 'Check the highlighted fields.'}</span>
        )}
        {attempt.phase === 'failed' && <span className="problem">{attempt.problem}</span>}
      </div>
    </form>
  );
}

/** Validation errors by input; errors of anything else have an empty name. */
function problemsOf(error: unknown, { current: { inputs } }: Model): Problems {
  if (!CombinedGraphQLErrors.is(error)) return {};
  const invalid = error.errors.flatMap(
    ({ extensions }) => (extensions?.fields ?? []) as { field: string; message: string }[],
  );
  return Object.fromEntries(
    invalid.map(({ field, message }) =>
      inputs.some(({ name }) => name === field) ? [field, message] : ['', `${field} ${message}`],
    ),
  );
}
