import { afterEach, describe, expect, it } from '@jest/globals';
import { rename } from 'node:fs/promises';
import { hashOf } from '../../src/persisted-documents/document-request.js';
import { makeDocumentFolder, presetManifest, send, type DocumentFolder } from '../support/documents.js';
import { codesOf, startGateway, type TestGateway } from '../support/gateway.js';
import { waitUntil } from '../support/wait-until.js';

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
  for (const [name, content] of Object.entries(files))
    await made.write(...(name.split('/') as [string, string]), content);
  gateway = await startGateway({ TRUSTED_DOCUMENTS: 'enforce', TRUSTED_DOCUMENTS_DIR: made.dir });
  return { gateway, folder: made };
}

const isTrusted = async (on: TestGateway, document: string): Promise<boolean> =>
  codesOf(await send(on, { documentId: `sha256:${hashOf(document)}` }, { caller: 'user' }))[0] !==
  'PERSISTED_QUERY_NOT_FOUND';
const logged = (on: TestGateway, message: string): Record<string, unknown>[] =>
  on.logs.filter(({ msg }) => msg === message);

describe('the directory of trusted documents', () => {
  it('is reloaded while serving when a file is added, changed or removed', async () => {
    const { gateway: on, folder: files } = await start({ 'web/1': presetManifest(text('one')) });
    expect([await isTrusted(on, text('one')), await isTrusted(on, text('two'))]).toEqual([true, false]);
    await files.write('phone', '1', presetManifest(text('two')));
    await waitUntil(() => isTrusted(on, text('two')));
    await files.write('web', '1', presetManifest(text('three')));
    await waitUntil(async () => (await isTrusted(on, text('three'))) && !(await isTrusted(on, text('one'))));
    await files.remove('phone', '1');
    await waitUntil(async () => !(await isTrusted(on, text('two'))));
    expect(await isTrusted(on, text('three'))).toBe(true);
  }, 30_000);

  it('keeps current documents and logs once if a file is invalid, and reloads it when it is valid again', async () => {
    const { gateway: on, folder: files } = await start({ 'web/1': presetManifest(text('one')) });
    await files.write('web', '1', { ...presetManifest(text('two')), broken: 'query {' });
    await waitUntil(() => logged(on, 'trusted documents file invalid; keeping current documents').length > 0);
    expect(logged(on, 'trusted documents file invalid; keeping current documents')).toMatchObject([
      { file: 'web/1.json', problems: [expect.stringMatching(/^web\/1\.json, broken: line 1: Syntax Error/)] },
    ]);
    expect([await isTrusted(on, text('one')), await isTrusted(on, text('two'))]).toEqual([true, false]);
    // Other files are still loaded.
    await files.write('phone', '1', presetManifest(text('other')));
    await waitUntil(() => isTrusted(on, text('other')));
    expect(logged(on, 'trusted documents file invalid; keeping current documents')).toHaveLength(1);
    await files.write('web', '1', presetManifest(text('two')));
    await waitUntil(() => isTrusted(on, text('two')));
  }, 30_000);

  it('keeps current documents if it is unavailable', async () => {
    const { gateway: on, folder: files } = await start({ 'web/1': presetManifest(text('one')) });
    await rename(files.dir, `${files.dir}-moved`);
    await waitUntil(() => logged(on, 'trusted documents directory unreadable; keeping current documents').length > 0);
    expect(await isTrusted(on, text('one'))).toBe(true);
    await rename(`${files.dir}-moved`, files.dir);
    await waitUntil(() => logged(on, 'trusted documents directory readable again').length > 0);
    expect(await isTrusted(on, text('one'))).toBe(true);
  }, 30_000);

  it('stops the start if a file is invalid, and names file and entry', async () => {
    await expect(
      start({ 'web/1': presetManifest(text('one')), 'web/2': { bad: 'query {' }, 'phone/1': '{"a": ' }),
    ).rejects.toThrow(
      /^The trusted documents are invalid:\n {2}- phone\/1\.json is not JSON: .*\n {2}- web\/2\.json, bad: line 1: Syntax Error.*$/s,
    );
  });

  it('may be missing', async () => {
    gateway = await startGateway({ TRUSTED_DOCUMENTS: 'enforce', TRUSTED_DOCUMENTS_DIR: '/nonexistent' });
    expect(codesOf(await send(gateway, { query: text('one') }))).toEqual(['DOCUMENT_NOT_TRUSTED']);
  });
});
