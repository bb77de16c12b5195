import { hash } from 'node:crypto';

/** Accounts that visitors may sign in with. */
export interface DemoSignIn {
  accounts: readonly { email: string; role: string }[];
  password: string;
}

/** An identity provider that visitors may sign in with. */
export interface ProviderSignIn {
  name: string;
}

/** What the landing page shows. */
export interface LandingContent {
  hasGraphiql: boolean;
  hasMetrics: boolean;
  /** Null without demo accounts. */
  demo: DemoSignIn | null;
  /** Null without an identity provider. */
  provider: ProviderSignIn | null;
  /** Pages of the documentation: their names below `docs/`, and their titles. */
  docs: readonly { name: string; title: string }[];
}

/** What each role shows in the demo data. */
const rolePurposes: Record<string, string> = {
  USER: 'sees only their own salary',
  MANAGER: 'sees and changes their team',
  ADMIN: 'sees and changes everything',
};

const styles = `
:root { color-scheme: light dark; --page: #f6f7f9; --surface: #fff; --text: #1b1e24; --muted: #59606c; --line: #dfe2e7; --accent: #a3006b; --on-accent: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --page: #0f1115; --surface: #181b21; --text: #e8eaee; --muted: #a4abb8; --line: #2b2f38; --accent: #ff7ac6; --on-accent: #2a0019; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
main { display: grid; gap: 1rem; grid-template-columns: repeat(12, minmax(0, 1fr)); max-width: 60rem; margin: 0 auto; padding: 3rem 1rem; }
header { grid-column: 1 / -1; display: grid; gap: 0.75rem; justify-items: start; padding-bottom: 1rem; }
.brand { display: flex; gap: 0.625rem; align-items: center; color: var(--accent); }
h1, h2, p, ul { margin: 0; padding: 0; }
h1 { color: var(--text); font-size: 2rem; line-height: 1.2; }
h2 { font-size: 1rem; }
header p { max-width: 40rem; font-size: 1.125rem; }
section { display: grid; gap: 0.75rem; align-content: start; grid-column: span 6; padding: 1.25rem; border: 1px solid var(--line); border-radius: 0.5rem; background: var(--surface); }
section.wide { grid-column: 1 / -1; }
ul { display: grid; gap: 0.5rem; list-style: none; }
li small { display: block; }
.wide ul { display: block; columns: 15rem; column-gap: 1rem; }
.wide li { padding-bottom: 0.25rem; }
.wide ul.accounts { display: grid; gap: 0.75rem; grid-template-columns: repeat(auto-fit, minmax(12.5rem, 1fr)); }
a { color: var(--accent); }
a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.action, .account { display: inline-block; border-radius: 0.5rem; text-decoration: none; }
.action { padding: 0.625rem 1.25rem; background: var(--accent); color: var(--on-accent); font-weight: 600; }
.account { width: 100%; height: 100%; padding: 0.625rem 1rem; border: 1px solid var(--accent); }
.account:hover { background: var(--page); }
.account strong { display: block; }
form { display: grid; gap: 0.75rem; justify-items: start; }
label { display: grid; gap: 0.25rem; width: 100%; }
input { width: 100%; max-width: 24rem; padding: 0.5rem 0.75rem; border: 1px solid var(--muted); border-radius: 0.5rem; background: var(--page); color: inherit; font: inherit; }
button.action { border: 0; font: inherit; font-weight: 600; cursor: pointer; }
button:disabled { opacity: 0.6; cursor: default; }
input:focus-visible, button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
small { color: var(--muted); font-size: 0.875rem; }
code { font-family: ui-monospace, monospace; font-size: 0.875em; }
@media (max-width: 40rem) { main { padding-top: 1.5rem; } section { grid-column: 1 / -1; } }
`;

/** Allows the style sheet of a page and its icon, and what `directives` add; no frames, no other origin. */
export const pagePolicy = (...directives: string[]): string =>
  [
    "default-src 'none'",
    `style-src 'sha256-${hash('sha256', styles, 'base64')}'`,
    ...directives,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');

export const landingPolicy = pagePolicy();

const shape = 'M16 3 29 28h-6l-7-14.500L9 28H3z';
const icon = `data:image/svg+xml,${encodeURIComponent(
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path fill="#e10098" d="${shape}"/></svg>`,
)}`;

/** The landing page. Its links are relative, so that it also works below a path prefix of a proxy. */
export function landingPage(content: LandingContent): string {
  const { hasGraphiql, demo, provider } = content;
  return page(`<p>A GraphQL gateway: relational data and predictions of ONNX models behind one guarded endpoint.</p>
${hasGraphiql ? '<a class="action" href="graphiql">Open GraphiQL</a>' : ''}
${hasGraphiql && provider ? `<a href="graphiql#sign-in-with=provider">Sign in with ${escapeHtml(provider.name)}</a>` : ''}
</header>
${hasGraphiql && demo ? accountsSection(demo) : ''}
${section('Use the API', useLinks(content))}
${section('Health', healthLinks(content))}
${documentation(content.docs)}`);
}

/** A page with the name and the style of the gateway. `body` continues the header. */
export const page = (body: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Auspex</title>
<link rel="icon" href="${icon}">
<style>${styles}</style>
</head>
<body>
<main>
<header>
<div class="brand">
<svg width="36" height="36" viewBox="0 0 32 32" aria-hidden="true"><path fill="currentColor" d="${shape}"/></svg>
<h1>Auspex</h1>
</div>
${body}
</main>
</body>
</html>
`;

function accountsSection({ accounts, password }: DemoSignIn): string {
  const items = accounts.map(({ email, role }) => {
    const purpose = rolePurposes[role];
    return `<li><a class="account" href="graphiql#sign-in=${encodeURIComponent(email)}"><strong>${escapeHtml(email)}</strong><small>${escapeHtml(role)}${purpose === undefined ? '' : `: ${purpose}`}</small></a></li>`;
  });
  return `<section class="wide">
<h2>Sign in with a demo account</h2>
<ul class="accounts">${items.join('\n')}</ul>
<p><small>Opens GraphiQL, signed in. Other clients use the password <code>${escapeHtml(password)}</code>.</small></p>
</section>`;
}

function useLinks({ hasGraphiql }: LandingContent): string[] {
  const endpoint = '<code>/graphql</code> <small>for clients: HTTP, WebSocket and server-sent events</small>';
  if (!hasGraphiql) return [endpoint];
  return [
    endpoint,
    '<a href="graphiql">GraphiQL</a> <small>write and run operations, read the schema</small>',
    '<a href="graphiql#operation=Models">Models</a> <small>the query that lists models with their inputs</small>',
  ];
}

const healthLinks = ({ hasMetrics }: LandingContent): string[] => [
  '<a href="readyz">/readyz</a> <small>whether it can serve requests, by part</small>',
  '<a href="livez">/livez</a> <small>whether the process responds</small>',
  ...(hasMetrics ? ['<a href="metrics">/metrics</a> <small>metrics for Prometheus</small>'] : []),
];

const documentation = (docs: LandingContent['docs']): string =>
  docs.length === 0
    ? ''
    : section(
        'Documentation',
        docs.map(({ name, title }) => `<a href="docs/${escapeHtml(name)}">${escapeHtml(title)}</a>`),
        'wide',
      );

const section = (title: string, items: readonly string[], layout = ''): string =>
  `<section${layout === '' ? '' : ` class="${layout}"`}>
<h2>${title}</h2>
<ul>${items.map((item) => `<li>${item}</li>`).join('\n')}</ul>
</section>`;

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Escapes text for HTML, also within a quoted attribute. */
export const escapeHtml = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? character);
