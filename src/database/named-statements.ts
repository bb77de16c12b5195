import { hash } from 'node:crypto';
import pg from 'pg';
import { systemErrorCode } from '../errors/system-error-code.js';

/** A statement text of a template. Its rows are read as arrays. */
interface TemplateText {
  /** Null if a plan for all values may be slow, so that each execution is planned with its values. */
  name: string | null;
  executions: number;
}

/** Of all templates, by their text: Kysely passes a connection nothing but the text and the values. */
const templates = new Map<string, TemplateText>();

/** Executions of this process after which a template is worth memory on the server. */
const executionsBeforeNaming = 3;

/** Statements that a connection keeps prepared; the plan of a page with all its joins takes 130 kB on the server. */
const maxNamed = 50;

/** Lets connections recognize the text of a template. */
export function addTemplateText(text: string, { hasStablePlan }: { hasStablePlan: boolean }): void {
  const name = hasStablePlan ? `auspex_${hash('sha256', text).slice(0, 24)}` : null;
  templates.set(text, { name, executions: 0 });
}

export function removeTemplateText(text: string): void {
  templates.delete(text);
}

/** Whether a text is of a template. */
export const isTemplateText = (text: unknown): text is string => typeof text === 'string' && templates.has(text);

/** Whether connections may prepare a text by name, and so execute it by one plan for all values. */
export const mayBeNamed = (text: string): boolean => (templates.get(text)?.name ?? null) !== null;

/** The statements that a connection has prepared by name. */
export class NamedStatements {
  /** The least recently used first. */
  readonly #names = new Set<string>();
  #isEnabled: boolean;

  constructor(
    private readonly client: pg.Client,
    { isEnabled }: { isEnabled: boolean },
  ) {
    this.#isEnabled = isEnabled;
  }

  /** The name to execute a template by; undefined if it is not worth one. Closes the least recently used statement if needed. */
  nameOf(text: string): string | undefined {
    const template = templates.get(text);
    if (!template?.name || !this.#isEnabled) return undefined;
    template.executions += 1;
    if (template.executions <= executionsBeforeNaming) return undefined;
    const { name } = template;
    this.#names.delete(name);
    this.#names.add(name);
    const [oldest] = this.#names;
    if (oldest !== undefined && this.#names.size > maxNamed) this.#close(oldest);
    return name;
  }

  /**
   * Whether to execute a statement again, without a name, after its error: a connection pooler that was not recognized has
   * changed the server, or a migration has changed the type of a column.
   */
  shouldRetry(name: string, error: unknown): boolean {
    const code = systemErrorCode(error) ?? '';
    if (changedServer.has(code)) this.#isEnabled = false;
    else if (code === outdatedPlan) this.#close(name);
    else return false;
    return true;
  }

  #close(name: string): void {
    this.#names.delete(name);
    // Without this the driver would later execute the name without preparing it again; missing in the types.
    const { connection } = this.client as unknown as { connection: { parsedStatements: Record<string, string> } };
    Reflect.deleteProperty(connection.parsedStatements, name);
    // Not `client.query`: this is no statement of an operation.
    (pg.Client.prototype.query as Query).call(this.client, `deallocate ${name}`).catch(() => undefined);
  }
}

type Query = (this: pg.Client, text: string) => Promise<unknown>;

/** invalid_sql_statement_name, duplicate_prepared_statement. */
const changedServer = new Set(['26000', '42P05']);

/** feature_not_supported: "cached plan must not change result type". */
const outdatedPlan = '0A000';
