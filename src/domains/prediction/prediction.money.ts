import type { Model, OutputField, Predictor } from '../../inference/predictor.js';
import { BadUserInput, ServiceUnavailable } from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';
import { isCurrency, roundedMoney } from '../../sources/currency.js';
import { crossRate } from '../../sources/daily-rates.js';
import type { CurrentRates, ExchangeRates } from '../../sources/exchange-rates.js';
import type { ConvertedAmount, ConvertedOutput, PredictionRow } from './prediction.types.js';

/** An output that is an amount of money, and its currency. */
export interface MoneyOutput {
  name: string;
  currency: string;
}

/** Converts what a prediction answers. @throws BadUserInput where it is not money or the currency is unknown; ServiceUnavailable without rates */
export type ConvertOutput = (prediction: PredictionRow, currency: string) => Promise<ConvertedOutput>;

/** The outputs that are money: single numbers whose unit is the code of a currency. */
export function moneyOutputs(outputs: readonly OutputField[]): MoneyOutput[] {
  return outputs.flatMap(({ name, unit, type, rowShape }) => {
    const isNumber = (type === 'float' || type === 'integer') && rowShape.length === 0;
    return isNumber && unit !== undefined && isCurrency(unit) ? [{ name, currency: unit }] : [];
  });
}

/** @param rates null where no source of rates is configured */
export function convertingOutputs(predictor: Pick<Predictor, 'model'>, rates: Pick<ExchangeRates, 'current'> | null, log: Logger): ConvertOutput {
  let wasTold = false;
  return async (prediction, currency) => {
    const money = moneyOf(predictor.model(prediction.model), prediction);
    if (!rates) {
      if (!wasTold) log.warn('amounts were asked for in another currency, and there is no source of exchange rates: set EXCHANGE_RATES_URL');
      wasTold = true;
      throw new ServiceUnavailable('No source of exchange rates is set up here, so that amounts cannot be converted; ask those who run this gateway for one.', noSourceRetrySeconds);
    }
    const now = await rates.current();
    const amounts = money.map((output) => converted(output, prediction, currency, now));
    return { currency, amounts, date: now.date, isStale: now.isStale };
  };
}

/** A source does not come by itself. */
const noSourceRetrySeconds = 3600;

function moneyOf(model: Model | null, { model: name, version: number }: PredictionRow): MoneyOutput[] {
  const version = model?.versions.find(({ version: served }) => served === number);
  if (!version) throw new BadUserInput(`Version ${number} of ${name} is no longer in the store, so that the currency of its output is not known; ask the model anew.`);
  const money = moneyOutputs(version.outputs);
  if (money.length === 0) throw new BadUserInput(`No output of ${name} is money, so that there is nothing to convert; ask for outputIn only where an output has a currency as its unit.`);
  return money;
}

function converted({ name, currency: from }: MoneyOutput, { output, model }: PredictionRow, to: string, rates: CurrentRates): ConvertedAmount {
  const known = Object.keys(rates.rates).sort();
  if (!known.includes(to)) throw BadUserInput.ofFields([{ field: 'currency', message: `has no rate today; known are ${known.join(', ')}` }]);
  const rate = crossRate(rates, from, to);
  if (rate === null) throw new ServiceUnavailable(`The source of exchange rates has none for ${from}, in which ${model} answers.`, noSourceRetrySeconds);
  return { output: name, amount: roundedMoney(Number(output[name]) * rate, to), from, rate };
}
