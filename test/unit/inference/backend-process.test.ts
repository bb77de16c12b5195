import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

const kit = path.join(import.meta.dirname, '..', '..', 'kit');

/** What the process printed, and how it ended: with an exit code, or by a signal. */
async function play(scene: string): Promise<{ stdout: string; stderr: string; ended: number | string }> {
  // A young generation that grows to its size would look like a leak.
  const flags = ['--expose-gc', '--max-semi-space-size=1', '--experimental-transform-types', '--disable-warning=ExperimentalWarning'];
  const args = [...flags, '--import', path.join(kit, 'run-typescript.js'), path.join(kit, 'onnx-child.ts'), scene];
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
  ])('ends well where it %s', async (_, scene) => {
    expect(await play(scene)).toEqual({ stdout: '', stderr: '', ended: 0 });
  });

  it('ends although a run hangs that nothing can stop', async () => {
    const { stdout, ended } = await play('hanging');

    expect(stdout).toBe("TimedOut: The model's run took longer than 200 ms and was given up.\nclosed\n");
    // Its threads cannot be waited for, so it kills itself.
    expect(ended).toBe('SIGKILL');
  });

  it.each([
    ['loads and closes', 'memory'],
    ['hot reloads', 'reloading'],
  ])('does not grow by more than 10 MB through 200 %s', async (_, scene) => {
    const { stdout, stderr, ended } = await play(scene);

    expect({ stderr, ended }).toEqual({ stderr: '', ended: 0 });
    expect(stdout).toMatch(/^-?\d+$/);
    expect(Number(stdout)).toBeLessThanOrEqual(10_000_000);
  }, 180_000);
});
