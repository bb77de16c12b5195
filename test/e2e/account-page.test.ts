import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeInBrowser } from '../support/browser.js';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';

describeInBrowser('the page of an invitation', (openPage) => {
  let gateway: TestGateway;
  beforeAll(async () => {
    // In development links start with the configured port, which is free here: only their fragment is used.
    gateway = await startGateway();
  });
  afterAll(() => gateway.close());

  it('sets the password once, with the token of the link, under its policy', async () => {
    const invited = await gateway.execute<AnyData>(
      'admin',
      'mutation { inviteUser(email: "invited@example.org") { link } }',
    );
    const { pathname, hash } = new URL(invited.data.inviteUser.link as string);
    const { page, errors } = await openPage();
    await page.goto(new URL(`${pathname}${hash}`, gateway.url).href);
    const set = async (password: string): Promise<void> => {
      for (const label of ['New password', 'Repeat it']) await page.getByLabel(label).fill(password);
      await page.getByRole('button', { name: 'Set password' }).click();
    };
    await set('Password1234');
    await page.getByText('The password is easy to guess').waitFor();
    await set('correct horse battery');
    await page.getByText('The password is set. Sign in as invited@example.org.').waitFor();
    expect(new URL(page.url()).hash).toBe('');
    const { data } = await gateway.execute<AnyData>(
      null,
      'mutation { login(input: { email: "invited@example.org", password: "correct horse battery" }) { user { email } } }',
    );
    expect(data.login.user.email).toBe('invited@example.org');
    expect(errors).toEqual([]);
  }, 60_000);
});
