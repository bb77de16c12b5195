import type { ReactNode } from 'react';
import { PredictionSource, type PredictQuery } from './generated/graphql.ts';
import { labelOf, type Model } from './signature-form.tsx';

type Output = Model['current']['outputs'][number];

/** Where a result comes from, in words. */
export const sourceTexts: Record<PredictionSource, string> = {
  [PredictionSource.Model]: 'computed by the model',
  [PredictionSource.Cache]: 'from the cache',
  [PredictionSource.Stale]: 'an earlier result, because the model was busy',
};

interface OutputsProps {
  prediction: NonNullable<PredictQuery['predict'][number]>;
  outputs: readonly Output[];
}

/** The outputs of a prediction: single values as text, probabilities as bars. */
export function Outputs({ prediction: { output, source, version }, outputs }: OutputsProps): ReactNode {
  return (
    <>
      {outputs.map(({ name, unit }) => {
        const value = output[name];
        return (
          <div key={name} className="output">
            <span className="muted">{labelOf(name)}</span>
            {typeof value === 'object' && value !== null ? (
              <Bars values={Object.entries(value as Record<string, unknown>)} />
            ) : (
              <strong>{formatted(value, unit)}</strong>
            )}
          </div>
        );
      })}
      <p className="muted about">
        Version {version}, {sourceTexts[source]}
      </p>
    </>
  );
}

function Bars({ values }: { values: [string, unknown][] }): ReactNode {
  return (
    <ul className="bars">
      {values.map(([label, value]) => (
        <li key={label}>
          <span>{label}</span>
          <meter min={0} max={1} value={Number(value)} aria-label={label} />
          <span className="number">{percents.format(Number(value))}</span>
        </li>
      ))}
    </ul>
  );
}

const percents = new Intl.NumberFormat(undefined, { style: 'percent', maximumFractionDigits: 1 });
const numbers = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 6 });

/** A value with its unit; a unit of three capitals is a currency (ISO 4217). */
export function formatted(value: unknown, unit?: string | null): string {
  if (typeof value !== 'number') return String(value);
  if (unit != null && /^[A-Z]{3}$/.test(unit))
    return new Intl.NumberFormat(undefined, { style: 'currency', currency: unit, maximumFractionDigits: 0 }).format(
      value,
    );
  return unit == null ? numbers.format(value) : `${numbers.format(value)} ${unit}`;
}
