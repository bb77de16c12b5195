/** The data of a result as JSON, which transports send without parsing it. `JSON.stringify` writes the data, not this object. */
export class TextData {
  constructor(readonly text: string) {}

  toJSON(): unknown {
    return JSON.parse(this.text) as unknown;
  }
}

/** For results, whose type has data as an object; null for the text of null. */
export const textData = (text: string): Record<string, unknown> | null =>
  text === 'null' ? null : (new TextData(text) as unknown as Record<string, unknown>);

/** The data as JSON. */
export const textOfData = (data: object): string => (data instanceof TextData ? data.text : JSON.stringify(data));
