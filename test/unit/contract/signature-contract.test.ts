import 'reflect-metadata';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LiveDocument } from '../../../src/documents/trusted-documents.js';
import { domains } from '../../../src/domains/index.js';
import { SignatureContract } from '../../../src/domains/prediction/typed-models/index.js';
import { domainSchema } from '../../../src/graphql/schema.js';
import type { InputField, Model, ModelVersion, OutputField } from '../../../src/inference/predictor.js';
import { Conflict } from '../../../src/shared/errors.js';
import { createLogger } from '../../../src/shared/logger.js';

const baseSchema = domainSchema(domains);
const number = { type: 'float', tensorType: 'float32', shape: [null, 1], rowShape: [], required: true } as const;
const input = (name: string): InputField => ({ ...number, name, shape: [null, 1], rowShape: [], isClosed: false });
const output = (name: string): OutputField => ({ ...number, name, shape: [null, 1], rowShape: [], labels: null });
const versionOf = (version: number, inputs: string[], outputs: string[]) =>
  ({ version, inputs: inputs.map(input), outputs: outputs.map(output), digest: `d${version}`, metrics: null }) as unknown as ModelVersion;

/** Version 2 lacks the output `spread` of 1 and 3; version 4 wants another input. */
const versions = [versionOf(1, ['x'], ['y', 'spread']), versionOf(2, ['x'], ['y']), versionOf(3, ['x'], ['y', 'spread']), versionOf(4, ['x', 'z'], ['y', 'spread'])];
const modelWith = (current: number): Model => {
  const version = versions.find((one) => one.version === current);
  if (!version) throw new Error(`there is no version ${current}`);
  return { name: 'size', title: 'Size', versions, current: version, canary: null, shadow: null, problems: [] };
};

const document = (id: string, text: string): LiveDocument => ({ client: 'web', version: '1.2.0', id, text });
const spread = 'query Sizes($inputs: [SizeInput!]!) {\n  predictSize(inputs: $inputs) { y spread }\n}';
const plain = '{ predictSize(inputs: [{ x: 1 }]) { y } }';

const opened: SignatureContract[] = [];
afterEach(() => {
  for (const contract of opened.splice(0)) contract.close();
});

function contractOver(live: LiveDocument[]) {
  let models = [modelWith(1)];
  const listeners = new Set<() => void>();
  const logged: { msg: string; documents?: unknown[] }[] = [];
  const sink = new Writable({
    write(line: Buffer, _encoding, done) {
      logged.push(JSON.parse(line.toString()) as (typeof logged)[number]);
      done();
    },
  });
  const contract = new SignatureContract({
    predictor: {
      models: () => models,
      onChange(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    baseSchema,
    liveDocuments: () => live,
    log: createLogger('info', sink),
    joinMs: 5,
  });
  opened.push(contract);
  return {
    contract,
    logged,
    listeners,
    change: (current: number): void => {
      models = [modelWith(current)];
      for (const listener of listeners) listener();
    },
    refusal: async (version: number): Promise<Conflict | null> => {
      try {
        await contract.assertKept(modelWith(1), version);
        return null;
      } catch (error) {
        if (error instanceof Conflict) return error;
        throw error;
      }
    },
  };
}

async function until(holds: () => boolean): Promise<void> {
  for (let look = 0; look < 1_000; look++) {
    if (holds()) return;
    await sleep(5);
  }
  throw new Error('it did not come to hold');
}

describe('a promotion', () => {
  it('is refused where a live document would break, and the client, document and line are named', async () => {
    const { refusal } = contractOver([document('a', plain), document('b', spread)]);
    const refused = await refusal(2);
    expect(refused?.message).toBe(
      'Version 2 of size has other inputs or outputs, which would break 1 live document: client web 1.2.0, document b (Sizes), line 2, column 36: ' +
        "Field 'spread' was removed from object type 'SizePrediction'. Give these clients documents that fit first, or repeat with evenIfDocumentsBreak: true.",
    );
    expect(refused?.extensions).toEqual({
      code: 'CONFLICT',
      documents: [{ client: 'web', version: '1.2.0', id: 'b', operation: 'Sizes', line: 2, column: 36, message: "Field 'spread' was removed from object type 'SizePrediction'" }],
    });
  });

  it('is let pass where no document feels it', async () => {
    expect(await contractOver([document('a', plain)]).refusal(2)).toBeNull();
    expect(await contractOver([]).refusal(2)).toBeNull();
    expect(await contractOver([document('b', spread)]).refusal(3)).toBeNull();
    expect(await contractOver([document('b', spread)]).refusal(99)).toBeNull();
  });

  it('is refused for an input that must be given from then on, whoever sends rows', async () => {
    const { refusal } = contractOver([document('a', plain), document('b', spread), document('c', '{ models { name } }')]);
    expect((await refusal(4))?.extensions.documents).toMatchObject([{ id: 'a' }, { id: 'b' }]);
  });

  it('lists twenty documents and tells of three', async () => {
    const { refusal } = contractOver(Array.from({ length: 25 }, (_, at) => document(`d${at}`, spread)));
    const refused = await refusal(2);
    expect(refused?.extensions.documents).toHaveLength(20);
    expect(refused?.message).toContain('25 live documents');
    expect(refused?.message.match(/client web/g)).toHaveLength(3);
    expect(refused?.message).toContain('And 22 more.');
  });
});

describe('models that change while they serve', () => {
  it('are told of in the log, with the documents that break, once for changes that come together', async () => {
    const { change, logged } = contractOver([document('b', spread)]);
    change(4);
    change(1);
    change(2);
    await until(() => logged.length > 0);
    expect(logged).toMatchObject([{ documents: [{ client: 'web', id: 'b', line: 2 }], msg: expect.stringMatching(/^The models have other inputs or outputs, which breaks 1 live document: client web 1\.2\.0, document b \(Sizes\), line 2/) }]);
    change(4);
    await until(() => logged.length > 1);
    expect(logged).toHaveLength(2);
  });

  it('are no longer followed once it is closed', () => {
    const { contract, listeners } = contractOver([]);
    expect(listeners.size).toBe(1);
    contract.close();
    expect(listeners.size).toBe(0);
  });
});
