import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/**
 * The folders of `src`, the highest layer first. A folder imports from itself and from lower layers, never from its own
 * layer or a higher one. `main.ts` and `scripts` may import everything.
 */
const layers = [
  ['app'],
  ['config'],
  ['metrics'],
  ['http', 'domains'],
  ['bindings'],
  ['typed-models'],
  ['graphql'],
  ['audit'],
  ['schema-compatibility'],
  ['persisted-documents'],
  ['auth', 'inference', 'database', 'integrations'],
  ['cache', 'events'],
  ['redis'],
  ['telemetry'],
  ['errors'],
];

const unrestricted = ['scripts'];

/** An entry of `import-x/no-restricted-paths`: what `target` may not import from `from`. */
export interface ImportZone {
  target: string;
  from: string;
  except?: string[];
  message: string;
}

/**
 * Generates zones from the folders that exist, so that a new folder or domain is always covered.
 * @throws Error if a folder is in no layer, or a domain is not in `domains/index.ts`
 */
export function importZonesOf(src: string): ImportZone[] {
  return [...layerZones(src), ...domainZones(path.join(src, 'domains')), ...inferenceZones(), packagesZone, ideZone];
}

function layerZones(src: string): ImportZone[] {
  const folders = foldersIn(src).filter((folder) => !unrestricted.includes(folder));
  const unknown = folders.filter((folder) => !layers.flat().includes(folder));
  if (unknown.length > 0) throw new Error(`Add src/${unknown.join(', src/')} to the layers in lint/architecture.ts.`);
  return layers.flatMap((layer, index) =>
    layer.map((folder) => ({
      target: `./src/${folder}`,
      from: './src',
      except: [folder, ...layers.slice(index + 1).flat()].map((allowed) => `./${allowed}`),
      message: `src/${folder} may import only from lower layers; see lint/architecture.ts.`,
    })),
  );
}

/** A domain imports from the domains before it in `src/domains/index.ts`, and of them only types, entities and loaders. */
function domainZones(domainsDir: string): ImportZone[] {
  const order = domainsInOrder(domainsDir);
  const unlisted = foldersIn(domainsDir).filter((folder) => !order.includes(folder));
  if (unlisted.length > 0) throw new Error(`List the domain ${unlisted.join(', ')} in src/domains/index.ts.`);
  return order.flatMap((domain, index) => [
    {
      target: `./src/domains/${domain}`,
      from: './src/domains',
      except: order.slice(0, index + 1).map((earlier) => `./${earlier}`),
      message: `${domain} may import only from the domains before it in src/domains/index.ts.`,
    },
    ...order.slice(0, index).map((earlier) => ({
      target: `./src/domains/${domain}`,
      from: `./src/domains/${earlier}/**/!(*.types|*.entity|*.loaders).ts`,
      message: 'Of another domain, import only types, entities and loaders.',
    })),
  ]);
}

/** The folders of the list in `domains/index.ts`, in its order. */
function domainsInOrder(domainsDir: string): string[] {
  const index = readFileSync(path.join(domainsDir, 'index.ts'), 'utf8');
  const imports = index.matchAll(/import \{ (\w+) \} from '\.\/([\w-]+)\/index\.js'/g);
  const folderOf = new Map([...imports].map(([, name, folder]) => [name, folder ?? '']));
  const list = /= \[([^\]]+)\]/.exec(index)?.[1] ?? '';
  return list.split(',').flatMap((name) => folderOf.get(name.trim()) ?? []);
}

/** Of inference, the rest of the gateway sees only the predictor. */
function inferenceZones(): ImportZone[] {
  return layers
    .slice(
      0,
      layers.findIndex((layer) => layer.includes('inference')),
    )
    .flat()
    .map((folder) => ({
      target: `./src/${folder}`,
      from: './src/inference',
      // Names are shared with GraphiQL, which cannot load the predictor.
      except: ['./serving/predictor.ts', './serving/open-predictor.ts', './signature/input-names.ts'],
      message: 'Import the public interface of inference from inference/serving/predictor.ts and open-predictor.ts.',
    }));
}

/** Production images contain no workspace packages. */
const packagesZone: ImportZone = {
  target: './src',
  from: './packages',
  message: 'Load packages dynamically, with src/app/development-packages.ts: production images do not contain them.',
};

/** GraphiQL runs in the browser; it shares the naming of typed models with the gateway and nothing else. Its build is a script. */
const ideZone: ImportZone = {
  target: './ide',
  from: './src',
  except: ['./typed-models/names.ts', './scripts/lib/cli.ts'],
  message: 'GraphiQL may import only the naming of typed models from src.',
};

/** Folders that contain anything: git leaves empty ones behind. */
function foldersIn(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && readdirSync(path.join(dir, entry.name)).length > 0)
    .map(({ name }) => name);
}

/** The zones of this repository. */
export const importZones = importZonesOf(path.join(import.meta.dirname, '..', 'src'));
