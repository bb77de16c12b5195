import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ResponseTime } from '../../src/database/response-time.js';

describe('the time limit of responses on a connection', () => {
  const onExceeded = jest.fn<(error: Error) => void>();
  beforeEach(() => {
    jest.useFakeTimers();
    onExceeded.mockClear();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('ends the connection when a statement has no response in time', () => {
    const time = new ResponseTime(1_000, onExceeded);
    time.begin();
    jest.advanceTimersByTime(999);
    expect(onExceeded).not.toHaveBeenCalled();
    jest.advanceTimersByTime(1);
    expect(onExceeded).toHaveBeenCalledWith(new Error('Query read timeout'));
  });

  it('starts again for each statement, also after the connection was idle for longer', () => {
    const time = new ResponseTime(1_000, onExceeded);
    for (let statement = 0; statement < 3; statement += 1) {
      time.begin();
      jest.advanceTimersByTime(900);
      time.finish();
      jest.advanceTimersByTime(5_000);
    }
    expect(onExceeded).not.toHaveBeenCalled();
    time.begin();
    jest.advanceTimersByTime(1_000);
    expect(onExceeded).toHaveBeenCalledTimes(1);
  });

  it('gives a queued statement its own time from the response before it', () => {
    const time = new ResponseTime(1_000, onExceeded);
    time.begin();
    time.begin();
    jest.advanceTimersByTime(900);
    time.finish();
    jest.advanceTimersByTime(900);
    expect(onExceeded).not.toHaveBeenCalled();
    jest.advanceTimersByTime(100);
    expect(onExceeded).toHaveBeenCalledTimes(1);
  });

  it('has no limit at 0, and none after the connection ended', () => {
    const unlimited = new ResponseTime(0, onExceeded);
    unlimited.begin();
    const ended = new ResponseTime(1_000, onExceeded);
    ended.begin();
    ended.end();
    jest.advanceTimersByTime(100_000);
    expect(onExceeded).not.toHaveBeenCalled();
  });
});
