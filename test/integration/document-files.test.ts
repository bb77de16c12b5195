import { afterEach, describe, expect, it } from '@jest/globals';
import { rename } from 'node:fs/promises';
import { hashOf } from '../../src/documents/document-id.js';
import { makeDocumentFolder, presetManifest, send, type DocumentFolder } from '../kit/documents.js';
import { codesOf, startGateway, type TestGateway } from '../kit/gateway.js';
import { until } from '../kit/until.js';

const text = (alias: string): string => `query Models { models { ${alias}: name } }`;

let folder: DocumentFolder | undefined;
let gateway: TestGateway | undefined;
afterEach(async () => {
  await gateway?.close();
  await folder?.close();
  [gateway, folder] = [undefined, undefined];
});

async function start(files: Record<string, unknown>): Promise<{ gateway: TestGateway; folder: DocumentFolder }> {
  const made = await makeDocumentFolder();
  folder = made;
  for (const [name, content] of Object.entries(files)) await made.write(...(name.split('/') as [string, string]), content);
  gateway = await startGateway({ TRUSTED_DOCUMENTS: 'enforce', TRUSTED_DOCUMENTS_DIR: made.dir });
  return { gateway, folder: made };
}

const isTrusted = async (on: TestGateway, document: string): Promise<boolean> =>
  codesOf(await send(on, { documentId: `sha256:${hashOf(document)}` }, { asker: 'user' }))[0] !== 'PERSISTED_QUERY_NOT_FOUND';
const said = (on: TestGateway, words: string): Record<string, unknown>[] => on.logs.filter(({ msg }) => String(msg).includes(words));

describe('the folder of trusted documents', () => {
  it('is taken up while serving: a file that is added, changed and removed', async () => {
    const { gateway: on, folder: files } = await start({ 'web/1': presetManifest(text('one')) });
    expect([await isTrusted(on, text('one')), await isTrusted(on, text('two'))]).toEqual([true, false]);
    await files.write('phone', '1', presetManifest(text('two')));
    await until(() => isTrusted(on, text('two')));
    await files.write('web', '1', presetManifest(text('three')));
    await until(async () => (await isTrusted(on, text('three'))) && !(await isTrusted(on, text('one'))));
    await files.remove('phone', '1');
    await until(async () => !(await isTrusted(on, text('two'))));
    expect(await isTrusted(on, text('three'))).toBe(true);
  }, 30_000);

  it('leaves what was trusted where a file breaks, says so once, and takes it up when it is whole', async () => {
    const { gateway: on, folder: files } = await start({ 'web/1': presetManifest(text('one')) });
    await files.write('web', '1', { ...presetManifest(text('two')), broken: 'query {' });
    await until(() => said(on, 'is broken').length > 0);
    expect(said(on, 'is broken')).toMatchObject([{ file: 'web/1.json', problems: [expect.stringMatching(/^web\/1\.json, broken: line 1: Syntax Error/)] }]);
    expect([await isTrusted(on, text('one')), await isTrusted(on, text('two'))]).toEqual([true, false]);
    // Others are taken up all the same.
    await files.write('phone', '1', presetManifest(text('other')));
    await until(() => isTrusted(on, text('other')));
    expect(said(on, 'is broken')).toHaveLength(1);
    await files.write('web', '1', presetManifest(text('two')));
    await until(() => isTrusted(on, text('two')));
  }, 30_000);

  it('leaves what was trusted where it is gone as a whole', async () => {
    const { gateway: on, folder: files } = await start({ 'web/1': presetManifest(text('one')) });
    await rename(files.dir, `${files.dir}-away`);
    await until(() => said(on, 'cannot be read; what was trusted still is').length > 0);
    expect(await isTrusted(on, text('one'))).toBe(true);
    await rename(`${files.dir}-away`, files.dir);
    await until(() => said(on, 'can be read again').length > 0);
    expect(await isTrusted(on, text('one'))).toBe(true);
  }, 30_000);

  it('keeps the gateway from starting where a file is broken, and names file and entry', async () => {
    await expect(start({ 'web/1': presetManifest(text('one')), 'web/2': { bad: 'query {' }, 'phone/1': '{"a": ' })).rejects.toThrow(
      /^The trusted documents are not usable:\n {2}- phone\/1\.json is not JSON: .*\n {2}- web\/2\.json, bad: line 1: Syntax Error.*$/s,
    );
  });

  it('may be missing', async () => {
    gateway = await startGateway({ TRUSTED_DOCUMENTS: 'enforce', TRUSTED_DOCUMENTS_DIR: '/nonexistent' });
    expect(codesOf(await send(gateway, { query: text('one') }))).toEqual(['DOCUMENT_NOT_TRUSTED']);
  });
});
