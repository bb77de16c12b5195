/* The options of Node.js that `npm start` and the image run the gateway with. */
import { readFileSync } from 'node:fs';

const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  scripts: { start: string };
};

/** Between `node` and the program. */
export const nodeOptions: readonly string[] = scripts.start.split(' && ').at(-1)?.split(' ').slice(1, -1) ?? [];
