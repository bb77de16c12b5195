import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { ModelChanges } from '../../src/domains/prediction/model.changes.js';
import type { Model } from '../../src/inference/predictor.js';

const version = (number: number): Model['current'] => ({ version: number, digest: `${number}`, inputs: [], outputs: [], metrics: null, statistics: {} as Model['current']['statistics'] });
const modelOf = (over: Partial<Model> = {}): Model => ({ name: 'iris', title: 'Iris', versions: [version(1)], current: version(1), canary: null, shadow: null, problems: [], ...over });

/** A predictor whose models the test exchanges. */
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
    become(...next: Model[]) {
      models = next;
      for (const listener of listeners) listener();
    },
  };
}

describe('changes of models', () => {
  it('are followed only while somebody listens: a thousand streams that came and went leave nothing behind', async () => {
    const of = predictor(modelOf());
    const changes = new ModelChanges({ predictor: of, maxWaiting: 10 });
    for (let turn = 0; turn < 1000; turn += 1) {
      const stream = changes.open(null);
      expect(of.listeners.size).toBe(1);
      await stream.return();
      expect(of.listeners.size).toBe(0);
    }
  });

  it('are told from what was served when the first came to listen, not from before', async () => {
    const of = predictor();
    const changes = new ModelChanges({ predictor: of, maxWaiting: 10 });
    of.become(modelOf());
    const stream = changes.open('iris');
    of.become(modelOf({ current: version(2) }));
    of.become();
    expect((await stream.next()).value).toMatchObject({ kind: 'UPDATED', model: { current: { version: 2 } } });
    expect((await stream.next()).value).toEqual({ kind: 'DELETED', name: 'iris', model: null });
  });

  it('are none where only the folder has problems, or something was counted', async () => {
    const of = predictor(modelOf({ shadow: { version: 2, percent: 5, rows: 1, differences: 0, largestDifference: 0, failures: 0 } }));
    const changes = new ModelChanges({ predictor: of, maxWaiting: 10 });
    const stream = changes.open(null);
    of.become(modelOf({ shadow: { version: 2, percent: 5, rows: 9, differences: 3, largestDifference: 1, failures: 0 }, problems: ['broken'] }));
    of.become(modelOf({ shadow: { version: 2, percent: 6, rows: 9, differences: 3, largestDifference: 1, failures: 0 } }), modelOf({ name: 'new' }));
    expect((await stream.next()).value).toMatchObject({ kind: 'UPDATED', name: 'iris' });
    expect((await stream.next()).value).toMatchObject({ kind: 'CREATED', name: 'new' });
  });
});
