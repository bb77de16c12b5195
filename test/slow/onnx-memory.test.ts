import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

const support = path.join(import.meta.dirname, '..', 'support');

/** Runs a scene in a process. @returns its output and its exit code or signal */
async function play(scene: string): Promise<{ stdout: string; stderr: string; ended: number | string }> {
  // A growing young generation would look like a leak.
  const flags = [
    '--expose-gc',
    '--max-semi-space-size=1',
    '--experimental-transform-types',
    '--disable-warning=ExperimentalWarning',
  ];
  const args = [
    ...flags,
    '--import',
    path.join(support, 'run-typescript.js'),
    path.join(support, 'onnx-child.ts'),
    scene,
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 150_000 });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { stdout, stderr, ended: code ?? signal ?? '' };
}

describe('a process with ONNX Runtime in its threads', () => {
  it.each([
    ['opened and closed backends', 'reopening'],
    ['never closed its backend', 'unclosed'],
    ['exits while its threads load and run', 'busy'],
  ])('exits cleanly if it %s', async (_, scene) => {
    expect(await play(scene)).toEqual({ stdout: '', stderr: '', ended: 0 });
  });

  it('exits although a run hangs in native code', async () => {
    const { stdout, ended } = await play('hanging');

    expect(stdout).toBe("TimedOut: The model's run exceeded its limit of 200 ms and was aborted.\nclosed\n");
    // Its threads cannot be joined, so it kills itself.
    expect(ended).toBe('SIGKILL');
  });

  it.each([
    ['loads and closes', 'memory'],
    ['hot reloads', 'reloading'],
  ])(
    'does not grow by more than 10 MB through 200 %s',
    async (_, scene) => {
      const { stdout, stderr, ended } = await play(scene);

      expect({ stderr, ended }).toEqual({ stderr: '', ended: 0 });
      expect(stdout).toMatch(/^-?\d+$/);
      expect(Number(stdout)).toBeLessThanOrEqual(10_000_000);
    },
    180_000,
  );
});
