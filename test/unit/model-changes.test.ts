import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { ModelEvents } from '../../src/domains/model/model.events.js';
import type { Model } from '../../src/inference/serving/predictor.js';

const version = (number: number): Model['current'] => ({
  version: number,
  digest: `${number}`,
  inputs: [],
  outputs: [],
  metrics: null,
  exampleInput: null,
  isFailing: false,
  statistics: {} as Model['current']['statistics'],
});
const modelOf = (over: Partial<Model> = {}): Model => ({
  name: 'iris',
  title: 'Iris',
  versions: [version(1)],
  current: version(1),
  canary: null,
  shadow: null,
  history: { share: 1, redactsInput: false },
  isTyped: true,
  problems: [],
  manifestVersion: 1,
  bindings: [],
  overrides: [],
  ...over,
});

/** A predictor whose models a test can replace. */
function predictor(...first: Model[]) {
  const listeners = new Set<() => void>();
  let models = first;
  return {
    listeners,
    models: () => models,
    onChange(listener: () => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    replaceModels(...next: Model[]) {
      models = next;
      for (const listener of listeners) listener();
    },
  };
}

describe('model changes', () => {
  it('are observed only while there are subscribers: a thousand closed streams leave no listener', async () => {
    const of = predictor(modelOf());
    const changes = new ModelEvents({ predictor: of, maxBuffered: 10 });
    for (let turn = 0; turn < 1000; turn += 1) {
      const stream = changes.open(null);
      expect(of.listeners.size).toBe(1);
      await stream.return();
      expect(of.listeners.size).toBe(0);
    }
  });

  it('include changes since the first subscription, not earlier ones', async () => {
    const of = predictor();
    const changes = new ModelEvents({ predictor: of, maxBuffered: 10 });
    of.replaceModels(modelOf());
    const stream = changes.open('iris');
    of.replaceModels(modelOf({ current: version(2) }));
    of.replaceModels();
    expect((await stream.next()).value).toMatchObject({ kind: 'UPDATED', model: { current: { version: 2 } } });
    expect((await stream.next()).value).toEqual({ kind: 'DELETED', name: 'iris', model: null });
  });

  it('are not published for problems or statistics', async () => {
    const of = predictor(
      modelOf({
        shadow: { version: 2, percent: 5, rows: 1, differences: 0, largestDifference: 0, failures: 0, outputs: [] },
      }),
    );
    const changes = new ModelEvents({ predictor: of, maxBuffered: 10 });
    const stream = changes.open(null);
    of.replaceModels(
      modelOf({
        shadow: { version: 2, percent: 5, rows: 9, differences: 3, largestDifference: 1, failures: 0, outputs: [] },
        problems: ['broken'],
      }),
    );
    of.replaceModels(
      modelOf({
        shadow: { version: 2, percent: 6, rows: 9, differences: 3, largestDifference: 1, failures: 0, outputs: [] },
      }),
      modelOf({ name: 'new' }),
    );
    expect((await stream.next()).value).toMatchObject({ kind: 'UPDATED', name: 'iris' });
    expect((await stream.next()).value).toMatchObject({ kind: 'CREATED', name: 'new' });
  });
});
