// With its extension on disk, since test threads run the sources.
import { withUnicodeLocale } from './text-locale.ts';
import { widenBfloat16 } from './widen-bfloat16.ts';

/** A graph that is equal but for what ONNX Runtime or the system may lack; the same bytes if nothing is, or they are no graph. */
export function runnableGraph(model: Uint8Array): Uint8Array {
  const bytes = Buffer.from(model.buffer, model.byteOffset, model.byteLength);
  try {
    const changed = withUnicodeLocale(widenBfloat16(bytes));
    return changed === bytes ? model : changed;
  } catch {
    return model;
  }
}
