import 'reflect-metadata';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Writable } from 'node:stream';
import type { LiveDocument } from '../../../src/persisted-documents/trusted-documents.js';
import { boundTypes } from '../../../src/bindings/bound-fields.js';
import { features } from '../../../src/domains/features.js';
import { domains } from '../../../src/domains/index.js';
import { SignatureCompatibility } from '../../../src/typed-models/signature-compatibility.js';
import { domainSchema } from '../../../src/graphql/schema/build-schema.js';
import type {
  Binding,
  InputField,
  Model,
  ModelVersion,
  OutputField,
} from '../../../src/inference/serving/predictor.js';
import { Conflict } from '../../../src/errors/app-error.js';
import { createLogger } from '../../../src/telemetry/logger.js';
import { waitUntil } from '../../support/wait-until.js';

const baseSchema = domainSchema(domains);
const number = { type: 'float', tensorType: 'float32', shape: [null, 1], rowShape: [], required: true } as const;
const input = (name: string): InputField => ({ ...number, name, shape: [null, 1], rowShape: [], isClosed: false });
const output = (name: string): OutputField => ({ ...number, name, shape: [null, 1], rowShape: [], labels: null });
const versionOf = (version: number, inputs: string[], outputs: string[]) =>
  ({
    version,
    inputs: inputs.map(input),
    outputs: outputs.map(output),
    digest: `d${version}`,
    metrics: null,
  }) as unknown as ModelVersion;

/** Version 2 lacks the output `spread` of 1 and 3; version 4 needs another input. */
const versions = [
  versionOf(1, ['x'], ['y', 'spread']),
  versionOf(2, ['x'], ['y']),
  versionOf(3, ['x'], ['y', 'spread']),
  versionOf(4, ['x', 'z'], ['y', 'spread']),
];
const modelWith = (current: number, bindings: readonly Binding[] = []): Model => {
  const version = versions.find((one) => one.version === current);
  if (!version) throw new Error(`there is no version ${current}`);
  return {
    name: 'size',
    title: 'Size',
    versions,
    current: version,
    canary: null,
    shadow: null,
    history: { share: 1, redactsInput: false },
    isTyped: true,
    problems: [],
    manifestVersion: current,
    bindings,
    overrides: [],
  };
};

const document = (id: string, text: string): LiveDocument => ({ client: 'web', version: '1.2.0', id, text });
const spread = 'query Sizes($inputs: [SizeInput!]!) {\n  predictSize(inputs: $inputs) { y spread }\n}';
const plain = '{ predictSize(inputs: [{ x: 1 }]) { y } }';

const opened: SignatureCompatibility[] = [];
afterEach(() => {
  for (const contract of opened.splice(0)) contract.close();
});

function openChecker(live: LiveDocument[], bindings: readonly Binding[] = []) {
  let models = [modelWith(1, bindings)];
  const listeners = new Set<() => void>();
  const logged: { msg: string; documents?: unknown[] }[] = [];
  const sink = new Writable({
    write(line: Buffer, _encoding, done) {
      logged.push(JSON.parse(line.toString()) as (typeof logged)[number]);
      done();
    },
  });
  const contract = new SignatureCompatibility({
    predictor: {
      models: () => models,
      onChange(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    baseSchema,
    boundTypes: boundTypes(features),
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
    rejection: async (version: number): Promise<Conflict | null> => {
      try {
        await contract.assertCompatible(modelWith(1), version);
        return null;
      } catch (error) {
        if (error instanceof Conflict) return error;
        throw error;
      }
    },
  };
}

describe('a promotion', () => {
  it('is rejected if a live document would break, naming the client, document and line', async () => {
    const { rejection } = openChecker([document('a', plain), document('b', spread)]);
    const rejected = await rejection(2);
    expect(rejected?.message).toBe(
      'Version 2 of size has other inputs or outputs, which would break 1 live document: client web 1.2.0, document b (Sizes), line 2, column 36: ' +
        "Field 'spread' was removed from object type 'SizePrediction'. Publish matching documents for these clients first, or repeat with allowBreakingChanges: true.",
    );
    expect(rejected?.extensions).toEqual({
      code: 'CONFLICT',
      documents: [
        {
          client: 'web',
          version: '1.2.0',
          id: 'b',
          operation: 'Sizes',
          line: 2,
          column: 36,
          message: "Field 'spread' was removed from object type 'SizePrediction'",
        },
      ],
    });
  });

  it('is accepted if no document is affected', async () => {
    expect(await openChecker([document('a', plain)]).rejection(2)).toBeNull();
    expect(await openChecker([]).rejection(2)).toBeNull();
    expect(await openChecker([document('b', spread)]).rejection(3)).toBeNull();
    expect(await openChecker([document('b', spread)]).rejection(99)).toBeNull();
  });

  it('is rejected for a new required input, with every document that sends rows', async () => {
    const { rejection } = openChecker([
      document('a', plain),
      document('b', spread),
      document('c', '{ models { name } }'),
    ]);
    expect((await rejection(4))?.extensions.documents).toMatchObject([{ id: 'a' }, { id: 'b' }]);
  });

  it('lists twenty documents in the extensions and three in the message', async () => {
    const { rejection } = openChecker(Array.from({ length: 25 }, (_, at) => document(`d${at}`, spread)));
    const rejected = await rejection(2);
    expect(rejected?.extensions.documents).toHaveLength(20);
    expect(rejected?.message).toContain('25 live documents');
    expect(rejected?.message.match(/client web/g)).toHaveLength(3);
    expect(rejected?.message).toContain('And 22 more.');
  });
});

describe('reloaded models', () => {
  it('are logged with the documents that select a field which is no longer bound', async () => {
    const binding = { type: 'Employee', field: 'size', output: 'y', inputs: { x: { feature: 'age' } }, places: {} };
    const { change, logged } = openChecker([document('a', '{ employees { nodes { size { value } } } }')], [binding]);
    change(1);
    await waitUntil(() => logged.length > 0);
    expect(logged).toMatchObject([{ documents: [{ id: 'a', message: "Type 'EmployeeSizePrediction' was removed" }] }]);
  });

  it('are logged with the affected documents, once for concurrent changes', async () => {
    const { change, logged } = openChecker([document('b', spread)]);
    change(4);
    change(1);
    change(2);
    await waitUntil(() => logged.length > 0);
    expect(logged).toMatchObject([
      {
        documents: [{ client: 'web', id: 'b', line: 2 }],
        msg: expect.stringMatching(
          /^The models have other inputs or outputs, which breaks 1 live document: client web 1\.2\.0, document b \(Sizes\), line 2/,
        ),
      },
    ]);
    change(4);
    await waitUntil(() => logged.length > 1);
    expect(logged).toHaveLength(2);
  });

  it('are no longer observed after close', () => {
    const { contract, listeners } = openChecker([]);
    expect(listeners.size).toBe(1);
    contract.close();
    expect(listeners.size).toBe(0);
  });
});
