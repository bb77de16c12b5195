import { BadUserInput, ServiceUnavailable } from '../../errors/app-error.js';
import type { Logger } from '../../telemetry/logger.js';
import { roundMoney } from '../../integrations/exchange-rates/currency.js';
import { crossRate } from '../../integrations/exchange-rates/daily-rates.js';
import type { CurrentRates, ExchangeRates } from '../../integrations/exchange-rates/exchange-rates.js';
import { amountsOf, type StoredAmount } from './prediction.meaning.js';
import type { ConvertedAmount, ConvertedOutput, PredictionRow } from './prediction.types.js';

/**
 * Converts the money outputs of a prediction.
 * @throws BadUserInput if no output is money or the currency is unknown
 * @throws ServiceUnavailable if no exchange rates are available
 */
export type ConvertOutput = (prediction: PredictionRow, currency: string) => Promise<ConvertedOutput>;

/** @param rates null if no source of rates is configured */
export function createOutputConverter(rates: Pick<ExchangeRates, 'current'> | null, log: Logger): ConvertOutput {
  let hasWarned = false;
  return async (prediction, currency) => {
    const money = moneyOf(prediction);
    if (!rates) {
      if (!hasWarned)
        log.warn('currency conversion requested without a source of exchange rates; set EXCHANGE_RATES_URL');
      hasWarned = true;
      throw new ServiceUnavailable(
        'No source of exchange rates is configured; contact the operator of this gateway.',
        noSourceRetrySeconds,
      );
    }
    const now = await rates.current();
    const amounts = money.map((amount) => converted(amount, prediction.model, currency, now));
    return { currency, amounts, date: now.date, isStale: now.isStale };
  };
}

/** Only an operator can add a source, so clients need not retry soon. */
const noSourceRetrySeconds = 3600;

/** The amounts in the currencies that they had at the time of the call. */
function moneyOf({ model, signatureDigest, units, output }: PredictionRow): StoredAmount[] {
  if (signatureDigest === null)
    throw new BadUserInput(
      `The currency of this prediction is unknown: it was recorded before predictions had their units. Run ${model} again.`,
    );
  const money = amountsOf(units ?? {}, output);
  if (money.length === 0)
    throw new BadUserInput(
      `No output of ${model} is an amount of money; select outputIn only if an output has a currency as its unit.`,
    );
  return money;
}

function converted(
  { name, currency: from, amount: stored }: StoredAmount,
  model: string,
  to: string,
  rates: CurrentRates,
): ConvertedAmount {
  const known = Object.keys(rates.rates).sort();
  if (!known.includes(to))
    throw BadUserInput.ofFields([{ field: 'currency', message: `has no rate today; known are ${known.join(', ')}` }]);
  const rate = crossRate(rates, from, to);
  if (rate === null)
    throw new ServiceUnavailable(
      `The source of exchange rates has no rate for ${from}, the currency of ${model}.`,
      noSourceRetrySeconds,
    );
  const amount = roundMoney(stored * rate, to);
  if (!Number.isFinite(amount)) throw new BadUserInput(`The output ${name} is too large to be converted to ${to}.`);
  return { output: name, amount, from, rate };
}
