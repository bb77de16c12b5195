/** As graphql-js decides it: also for promises of other realms and libraries. */
export const isPromise = <Value>(value: Value | Promise<Value>): value is Promise<Value> =>
  typeof (value as { then?: unknown } | null | undefined)?.then === 'function';

/** Continues with a value at once, or with that of a promise later. */
export const chained = <Value, Result>(
  value: Value | Promise<Value>,
  next: (value: Value) => Result | Promise<Result>,
): Result | Promise<Result> => (isPromise(value) ? value.then(next) : next(value));

type Part = string | Promise<string>;

/**
 * Joins text in order. Settles when `Promise.all` would, so that errors are reported in the order of graphql-js, without a promise for
 * each part that is text already.
 */
export function joined(parts: readonly Part[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const texts: string[] = new Array<string>(parts.length);
    let pending = 0;
    parts.forEach((part, index) => {
      if (typeof part === 'string') {
        texts[index] = part;
        return;
      }
      pending += 1;
      part.then((text) => {
        texts[index] = text;
        pending -= 1;
        if (pending === 0) resolve(whole(texts));
      }, reject);
    });
    if (pending === 0) resolve(whole(texts));
  });
}

/** Up to this number, texts are concatenated: V8 copies them once, when the response is encoded. */
const fewTexts = 8;

const whole = (texts: readonly string[]): string =>
  texts.length > fewTexts ? texts.join('') : texts.reduce((text, next) => text + next, '');

const ignored = (): void => {};

/** Marks promises as handled whose rejections no longer matter, or are handled later. */
export function ignoreRejections(parts: readonly Part[]): void {
  for (const part of parts) if (typeof part !== 'string') part.then(ignored, ignored);
}
