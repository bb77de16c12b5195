/** Worker files of Monaco by language; defined by the build. */
declare const WORKER_FILES: Record<'editor' | 'json' | 'graphql', string>;

const urlOf = (label: string): string => {
  const file = label === 'json' || label === 'graphql' ? WORKER_FILES[label] : WORKER_FILES.editor;
  return new URL(file, import.meta.url).href;
};

Object.assign(globalThis, {
  MonacoEnvironment: { getWorker: (_id: string, label: string) => new Worker(urlOf(label), { name: label }) },
});
