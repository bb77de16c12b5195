import { hash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { page, pagePolicy } from './landing-page.js';

/** Sends the token of the link with the password. The token is in the fragment, which the server never receives. */
const script = `
const form = document.querySelector('form');
const [password, repeated] = form.querySelectorAll('input[type=password]');
const button = form.querySelector('button');
const status = document.querySelector('output');
const tokenOf = () => new URLSearchParams(location.hash.slice(1)).get('token');
if (!tokenOf()) status.textContent = 'This page needs the whole link of your message.';
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  if (password.value !== repeated.value) {
    status.textContent = 'The passwords differ.';
    return repeated.focus();
  }
  button.disabled = true;
  status.textContent = 'Setting the password ...';
  try {
    const response = await fetch('graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({
        documentId: 'auspex-set-password',
        variables: { token: tokenOf() ?? '', newPassword: password.value },
      }),
    });
    const { data, errors } = await response.json();
    if (data?.setPassword) {
      history.replaceState(null, '', location.pathname);
      form.hidden = true;
      status.textContent = 'The password is set. Sign in as ' + data.setPassword.email + '.';
      return;
    }
    const [field] = errors?.[0]?.extensions?.fields ?? [];
    const names = { token: 'The link', newPassword: 'The password' };
    status.textContent = field && names[field.field] ? names[field.field] + ' ' + field.message + '.' : (errors?.[0]?.message ?? 'The password was not set.');
  } catch {
    status.textContent = 'The gateway is not reachable; try again.';
  }
  button.disabled = false;
});
`;

const policy = pagePolicy(`script-src 'sha256-${hash('sha256', script, 'base64')}'`, "connect-src 'self'");

const html = page(`<p>Choose the password of your account.</p>
</header>
<section class="wide">
<form>
<label>New password <input type="password" name="new" autocomplete="new-password" minlength="12" required aria-describedby="rules"></label>
<label>Repeat it <input type="password" name="repeated" autocomplete="new-password" required></label>
<small id="rules">At least 12 characters; several words are fine. Common passwords are rejected.</small>
<button class="action" type="submit">Set password</button>
</form>
<output role="status"></output>
<noscript>This page needs JavaScript.</noscript>
</section>
<script type="module">${script}</script>`);

/** Serves the page at `/account` to which the links of messages lead: it sets a password by `Mutation.setPassword`. */
export function addAccountRoute(server: FastifyInstance): void {
  server.get('/account', (_request, reply) =>
    reply
      .header('content-security-policy', policy)
      .header('cache-control', 'no-store')
      .type('text/html; charset=utf-8')
      .send(html),
  );
}
