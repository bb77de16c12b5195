import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { createServer, type AddressInfo } from 'node:net';
import { describeInBrowser, type OpenPage } from '../support/browser.js';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { codeOf, setUpMfa } from '../support/mfa.js';
import { startIdentityProvider, type TestProvider } from '../support/identity-provider.js';
import { buildIde } from '../support/process.js';

// Loading the editor takes long on a busy machine.
jest.setTimeout(90_000);

describeInBrowser('a sign-in with the identity provider', (open: OpenPage) => {
  let provider: TestProvider;
  let gateway: TestGateway;
  let base: string;
  beforeAll(async () => {
    buildIde();
    const probe = createServer();
    await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
    const { port } = probe.address() as AddressInfo;
    await new Promise((resolve) => probe.close(resolve));
    base = `http://127.0.0.1:${port}`;
    provider = await startIdentityProvider(base, 'unused');
    gateway = await startGateway({
      PORT: String(port),
      PUBLIC_URL: base,
      OIDC_ISSUER: provider.issuer,
      OIDC_NAME: 'Example Login',
      OIDC_CLIENT_ID: 'auspex',
      OIDC_CLIENT_SECRET: provider.clientSecret,
    });
  });
  afterAll(async () => {
    await gateway.close();
    await provider.stop();
  });

  it('begins at the landing page and ends in GraphiQL, without a code in the address', async () => {
    provider.accounts.set('alice', { email: 'alice@example.net', email_verified: true });
    provider.currentAccount = 'alice';
    const { page, errors } = await open();
    await page.goto(`${base}/`);
    await page.getByRole('link', { name: 'Sign in with Example Login' }).click();
    await page.getByRole('button', { name: 'Signed in as alice@example.net' }).waitFor();
    expect(page.url()).toBe(`${base}/graphiql`);
    expect(errors).toEqual([]);
    await page.reload();
    await page.getByRole('button', { name: 'Signed in as alice@example.net' }).waitFor();
  });

  it('requires a code of an account with MFA', async () => {
    provider.accounts.set('bob', { email: 'bob@example.net', email_verified: true });
    provider.currentAccount = 'bob';
    const { page } = await open();
    const code = page.getByRole('dialog').getByLabel('Code of the authenticator app, or a recovery code');
    await page.goto(`${base}/graphiql#sign-in-with=provider`);
    await page.getByRole('button', { name: 'Signed in as bob@example.net' }).waitFor();
    const token = await page.evaluate(
      () =>
        (JSON.parse(sessionStorage.getItem('auspex:identity') ?? '{}') as { tokens: { accessToken: string } }).tokens
          .accessToken,
    );
    const { id: uuid } = await gateway.db
      .selectFrom('user_account')
      .select('id')
      .where('email', '=', 'bob@example.net')
      .executeTakeFirstOrThrow();
    const { secret } = await setUpMfa(gateway, { uuid, token });

    await page.evaluate(() => sessionStorage.clear());
    await page.goto('about:blank');
    await page.goto(`${base}/graphiql#sign-in-with=provider`);
    await code.fill(codeOf(secret));
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Signed in as bob@example.net' }).waitFor();
  });

  it('begins in the dialog of GraphiQL, which shows why it was rejected', async () => {
    provider.accounts.set('mallory', { email: 'admin@example.com', email_verified: true });
    provider.currentAccount = 'mallory';
    const { page } = await open();
    await page.goto(`${base}/graphiql`);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('button', { name: 'Sign in with Example Login' }).click();
    await page.getByText('An account with your e-mail address exists.').waitFor();
    expect(page.url()).toBe(`${base}/graphiql`);
  });

  it('ignores a code that another page has set', async () => {
    const exchanges = () => gateway.logs.filter(({ operation }) => operation === 'SignInWithCode');
    const before = exchanges().length;
    provider.currentAccount = 'alice';
    const { page } = await open();
    await page.goto(`${base}/graphiql#sign_in_code=${'A'.repeat(43)}`);
    await page.getByRole('button', { name: 'Sign in', exact: true }).waitFor();
    expect(page.url()).toBe(`${base}/graphiql`);
    expect(exchanges()).toHaveLength(before);
  });
});
