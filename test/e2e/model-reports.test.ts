import { beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildProgram, projectDir } from '../support/process.js';

beforeAll(() => buildProgram(), 120_000);

/** Loads and runs every model with an empty home folder and environment. @returns the files in it afterwards */
function leftAtHome(): string[] {
  const home = mkdtempSync(path.join(tmpdir(), 'auspex-home-'));
  try {
    const { status, stderr } = spawnSync(process.execPath, ['dist/scripts/check-models.js'], {
      cwd: projectDir,
      env: { HOME: home },
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return readdirSync(home, { recursive: true, encoding: 'utf8' });
  } finally {
    rmSync(home, { recursive: true });
  }
}

describe('ONNX Runtime', () => {
  it('stores no device id and no telemetry', () => {
    expect(leftAtHome()).toEqual([]);
  });
});
