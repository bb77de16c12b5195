import { z } from 'zod';
import { boolean, integer, text, variable } from '../variable.js';

export const inference = () =>
  z
    .object({
      repositoryDir: variable('MODEL_STORE', text('directory'), {
        default: 'model-store',
        description: 'Directory of the models.',
      }),
      pollMs: variable('MODEL_STORE_POLL_MS', integer(0, 3_600_000), {
        default: 1000,
        unit: 'milliseconds',
        description: 'Interval of checks for changed models. 0 disables reloading.',
      }),
      strict: variable('STRICT_MODELS', boolean, {
        default: false,
        description:
          'Whether a model that fails its checks prevents the start. Otherwise it is reported, and the other models serve.',
      }),
      threads: variable('INFERENCE_THREADS', integer(1, 64), {
        description:
          'Worker threads for large batches; each loads the models that it runs. If absent: one fewer than the cores, from 2 to 4.',
      }),
      memoryMb: variable('MODEL_MEMORY_MB', integer(1, 1_048_576), {
        unit: 'megabytes',
        description:
          'Memory of loaded models. Beyond it those that have not run for longest are freed, and loaded again when called. If absent: half of the memory that the process may use.',
      }),
      cacheTtlSeconds: variable('PREDICTION_CACHE_TTL_SECONDS', integer(1, 31_536_000), {
        default: 3600,
        unit: 'seconds',
        description: 'Lifetime of a cached prediction.',
      }),
      cacheMaxEntries: variable('PREDICTION_CACHE_MAX_ENTRIES', integer(1, 10_000_000), {
        default: 50_000,
        description: 'Maximum number of cached predictions in memory, without Redis.',
      }),
      historyDays: variable('PREDICTION_HISTORY_DAYS', integer(1, 36_500), {
        default: 90,
        unit: 'days',
        description: 'Retention of recorded predictions: those of a day (UTC) are deleted this long after its end.',
      }),
      hasJournal: variable('PREDICTION_JOURNAL', boolean, {
        default: true,
        description:
          'Whether predictions that are not recorded yet are also written to files in `DATA_DIR`, with their inputs, so that the next start records them if the process is killed. Without effect where `DATA_DIR` cannot be written.',
      }),
    })
    .describe('Inference');
