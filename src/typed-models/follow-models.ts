import type { Predictor } from '../inference/serving/predictor.js';

/**
 * Calls the listener after each change of the models that changes a text, such as what they add to the schema.
 * @returns a function that unsubscribes
 */
export function followModels(
  predictor: Pick<Predictor, 'onChange'>,
  textOf: () => string,
  listener: () => void,
): () => void {
  let before = textOf();
  return predictor.onChange(() => {
    const now = textOf();
    if (now === before) return;
    before = now;
    listener();
  });
}
