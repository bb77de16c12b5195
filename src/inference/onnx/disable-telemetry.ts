/**
 * Imported before ONNX Runtime. Since 1.29 it writes a device id to the home folder and sends models, hashes and times to its
 * vendor, unless an environment variable disables that before it loads. Set `ORT_DISABLE_TELEMETRY=0` to allow it.
 */
// eslint-disable-next-line no-restricted-properties -- Written for a library that has no other setting.
process.env.ORT_DISABLE_TELEMETRY ??= '1';
