import { BadUserInput, type FieldProblem } from '../../errors/app-error.js';
import { quoted } from '../execution/leaf-text.js';
import { base64urlOf } from '../relay/base64url.js';
import type { TableColumn } from './existing-table.js';

/** The longest ID that is decoded: an index of PostgreSQL holds keys of up to 2,700 bytes. */
const maxLength = 8000;

/** The IDs of the rows of a table: a prefix, and the values of the key in base64url, whatever their types and their number. */
export class RowIds {
  constructor(
    readonly prefix: string,
    readonly key: readonly TableColumn[],
  ) {}

  /** @param values those of the key, in its order */
  encode(values: readonly unknown[]): string {
    let text = '[';
    for (const value of values) text += `${text === '[' ? '' : ','}${quoted(String(value))}`;
    return `${this.prefix}_${base64urlOf(`${text}]`)}`;
  }

  /** The texts of the key's values. @throws BadUserInput, naming `field`, if the ID is malformed or of another type */
  decode(id: string, field = 'id'): string[] {
    const values = this.#valuesOf(id);
    if (values) return values;
    throw BadUserInput.ofFields([this.problem(id, field) ?? { field, message: 'is invalid' }]);
  }

  /** Checks an ID that a client sent. @returns its problem, or null */
  problem(id: string, field: string): FieldProblem | null {
    if (this.#valuesOf(id)) return null;
    return {
      field,
      message: `must be an id of type ${this.prefix}, as the field id returns it; ${JSON.stringify(id.slice(0, 60))} is not`,
    };
  }

  #valuesOf(id: string): string[] | null {
    const start = `${this.prefix}_`;
    if (!id.startsWith(start) || id.length > maxLength) return null;
    const values = readJson(Buffer.from(id.slice(start.length), 'base64url').toString());
    if (!Array.isArray(values) || values.length !== this.key.length) return null;
    const texts = values as unknown[];
    const areValid = this.key.every(({ type }, index) => {
      const text = texts[index];
      return typeof text === 'string' && type.isValid?.(text) === true;
    });
    return areValid ? (texts as string[]) : null;
  }
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
