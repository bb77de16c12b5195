import { IdleMemory } from '../../src/app/idle-memory.js';

const megabyte = 1024 * 1024;

/** A process whose heap shrinks to 60 MB while memory is saved. */
function processOf({ heapMb, utilization = 0 }: { heapMb: number; utilization?: number }) {
  const state = { heapMb, utilization, switches: [] as boolean[] };
  const memory = new IdleMemory({
    utilization: () => state.utilization,
    load: () => state.utilization,
    heapBytes: () => state.heapMb * megabyte,
    saveMemory(isSaving) {
      state.switches.push(isSaving);
      if (isSaving) state.heapMb = 60;
    },
  });
  const checkTimes = (count: number): void => {
    for (let check = 0; check < count; check += 1) memory.check();
  };
  return { state, checkTimes, checkLoad: () => memory.checkLoad() };
}

describe('IdleMemory', () => {
  it('saves memory for a while once the process is idle, and not again', () => {
    const { state, checkTimes } = processOf({ heapMb: 100 });

    checkTimes(2);
    expect(state.switches).toEqual([]);
    checkTimes(1);
    expect(state.switches).toEqual([true]);
    checkTimes(100);

    expect(state.switches).toEqual([true, false]);
  });

  it('saves memory again after a load has grown the heap', () => {
    const { state, checkTimes } = processOf({ heapMb: 100 });
    checkTimes(20);
    Object.assign(state, { heapMb: 120, utilization: 0.5 });
    checkTimes(20);
    expect(state.switches).toEqual([true, false]);

    state.utilization = 0;
    checkTimes(29);
    expect(state.switches).toEqual([true, false]);
    checkTimes(20);

    expect(state.switches).toEqual([true, false, true, false]);
  });

  it('leaves a busy process alone, and one whose heap has grown little', () => {
    const busy = processOf({ heapMb: 100, utilization: 0.1 });
    busy.checkTimes(20);
    const grown = processOf({ heapMb: 100 });
    grown.checkTimes(20);
    grown.state.heapMb = 70;
    grown.checkTimes(100);

    expect(busy.state.switches).toEqual([]);
    expect(grown.state.switches).toEqual([true, false]);
  });

  it('stops saving at the first sign of a load', () => {
    const { state, checkTimes } = processOf({ heapMb: 100 });
    checkTimes(3);
    state.utilization = 0.5;
    checkTimes(1);

    expect(state.switches).toEqual([true, false]);
  });

  it('stops saving within an interval under load, and saves again after it', () => {
    const { state, checkTimes, checkLoad } = processOf({ heapMb: 100 });
    checkLoad();
    checkTimes(3);
    state.utilization = 0.2;
    checkLoad();
    expect(state.switches).toEqual([true]);
    Object.assign(state, { heapMb: 100, utilization: 0.9 });
    checkLoad();
    expect(state.switches).toEqual([true, false]);

    state.utilization = 0;
    checkTimes(29);
    expect(state.switches).toEqual([true, false]);
    checkTimes(20);

    expect(state.switches).toEqual([true, false, true, false]);
  });
});
