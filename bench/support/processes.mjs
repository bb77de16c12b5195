/* CPU time and memory of other processes, as Linux shows them in /proc. */
import { readdir, readFile } from 'node:fs/promises';

/** `USER_HZ`, the unit of CPU times in /proc, has this value on every platform of Node.js. */
const ticksPerSecond = 100;

/** @throws Error where there is no /proc */
export function assertLinux() {
  if (process.platform !== 'linux') throw new Error('The benchmark reads /proc, which only Linux has.');
}

/** CPU time of all threads of a process, in milliseconds. */
export const cpuMsOf = (pid) => cpuTimes(pid, 11);

/** CPU time of the child processes that have ended. */
export const cpuMsOfEnded = (pid) => cpuTimes(pid, 13);

/** @param first the field after the name of the program */
async function cpuTimes(pid, first) {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name of the program, in parentheses, may contain spaces.
  const [user, system] = text
    .slice(text.lastIndexOf(') ') + 2)
    .split(' ')
    .slice(first, first + 2)
    .map(Number);
  return ((user + system) * 1000) / ticksPerSecond;
}

/** Fields of /proc/PID/status in MB, such as `VmRSS`, `RssFile` and `VmHWM`. */
export async function memoryMbOf(pid, fields) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return fields.map((field) => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)[1]) / 1024);
}

/** A process and all its descendants, which any of its threads may have started. */
export async function processTree(pid) {
  const threads = await readdir(`/proc/${pid}/task`);
  const lists = await Promise.all(threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8')));
  const trees = await Promise.all(lists.join(' ').split(' ').filter(Boolean).map(processTree));
  return [pid, ...trees.flat()];
}
