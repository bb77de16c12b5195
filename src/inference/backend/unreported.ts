/**
 * Imported before ONNX Runtime. Since 1.29 it writes a device id into the home folder and reports models, hashes and times to
 * its maker unless it is told not to before it is loaded, and an environment variable is the only way to tell it. Whoever
 * wants that sets `ORT_DISABLE_TELEMETRY=0`.
 */
// eslint-disable-next-line no-restricted-properties -- Not read, but told to a library that has no other ear.
process.env.ORT_DISABLE_TELEMETRY ??= '1';
