import { GraphQLError, isLeafType, isNonNullType, type GraphQLOutputType } from 'graphql';
import { isIterableObject } from 'graphql/jsutils/isIterableObject.js';
import { leafWriter } from './leaf-text.js';
import { failureOf, nameOf, type Completion, type SelectedField } from './plan.js';
import { ignoreRejections, isPromise, joined } from './promises.js';
import type { Path, Run, Written } from './run.js';

type Items = readonly unknown[];
type WriteItem = (run: Run, item: unknown, index: number, path: Path) => Written;

/**
 * Compiles a list. A long one is written in several turns of the event loop.
 * @param complete completes an item
 */
export function compileList(field: SelectedField, itemType: GraphQLOutputType, complete: Completion): Completion {
  const writeItem = compileItem(field, itemType, complete);
  const nullable = isNonNullType(itemType) ? itemType.ofType : itemType;
  const isPlain = isLeafType(nullable) ? leafWriter(nullable).isPlain : null;
  return (run, value, path) => {
    if (!isIterableObject(value))
      throw new GraphQLError(`Expected Iterable, but did not find one for field "${nameOf(field)}".`);
    if (!Array.isArray(value)) return writeIterable(run, value, path, writeItem);
    if (isPlain && value.length >= fewLeaves) return writeLeaves(run, value, path, writeItem, isPlain);
    return writeArray(run, value, path, writeItem);
  };
}

function compileItem({ nodes }: SelectedField, itemType: GraphQLOutputType, complete: Completion): WriteItem {
  const fail = failureOf(itemType, nodes);
  return (run, item, index, listPath) => {
    const path = { prev: listPath, key: index, typename: undefined };
    try {
      const written = isPromise(item) ? item.then((value) => complete(run, value, path)) : complete(run, item, path);
      return typeof written === 'string'
        ? written
        : written.then(undefined, (error: unknown) => fail(run, error, path));
    } catch (error) {
      return fail(run, error, path);
    }
  };
}

/** Collects the text of items; their promises are joined with it. */
class ItemTexts {
  #text = '[';
  #parts: Written[] | null = null;
  #isEmpty = true;
  #handled = 0;

  add(written: Written): void {
    if (this.#isEmpty) this.#isEmpty = false;
    else this.#text += ',';
    if (typeof written === 'string') this.#text += written;
    else {
      (this.#parts ??= []).push(this.#text, written);
      this.#text = '';
    }
  }

  whole(): Written {
    const end = `${this.#text}]`;
    return this.#parts ? joined([...this.#parts, end]) : end;
  }

  /** Keeps rejections from being unhandled that occur before the list is whole, or after it failed. */
  handleRejections(): void {
    const parts = this.#parts ?? [];
    ignoreRejections(parts.slice(this.#handled));
    this.#handled = parts.length;
  }
}

/** Sets, generators and the like, at once. */
function writeIterable(run: Run, items: Iterable<unknown>, path: Path, writeItem: WriteItem): Written {
  const texts = new ItemTexts();
  let index = 0;
  try {
    for (const item of items) texts.add(writeItem(run, item, index++, path));
  } catch (error) {
    texts.handleRejections();
    throw error;
  }
  return texts.whole();
}

const writeArray = (run: Run, items: Items, path: Path, writeItem: WriteItem): Written =>
  writeInTurns(run, items.length, (texts, start) => {
    for (let index = start; index < items.length; index++) {
      texts.add(writeItem(run, items[index], index, path));
      if (run.isTurnSpent) return index + 1;
    }
    return items.length;
  });

/** Writes scalars of the specification: together where all are plain, otherwise one by one. */
const writeLeaves = (run: Run, items: Items, path: Path, writeItem: WriteItem, isPlain: IsPlain): Written =>
  writeInTurns(run, items.length, (texts, start) => {
    for (let index = start; index < items.length;) {
      const end = Math.min(index + leavesTogether, items.length);
      if (arePlain(items, index, end, isPlain)) {
        const text = JSON.stringify(index === 0 && end === items.length ? items : items.slice(index, end));
        texts.add(text.slice(1, -1));
        run.spent += text.length;
      } else for (let at = index; at < end; at++) texts.add(writeItem(run, items[at], at, path));
      if (run.isTurnSpent) return end;
      index = end;
    }
    return items.length;
  });

type IsPlain = (value: unknown) => boolean;

/** Leaves that are serialized together, which is faster than one by one. */
const leavesTogether = 1024;

/** Fewer leaves are written faster one by one. */
const fewLeaves = 4;

function arePlain(items: Items, start: number, end: number, isPlain: IsPlain): boolean {
  for (let index = start; index < end; index++) if (!isPlain(items[index])) return false;
  return true;
}

/**
 * Writes a list, in several turns of the event loop if it is long.
 * @param writeFrom writes items from an index, at least one, and returns the index of the first that is left
 */
function writeInTurns(run: Run, length: number, writeFrom: (texts: ItemTexts, start: number) => number): Written {
  const texts = new ItemTexts();
  const next = writeSome(texts, 0, writeFrom);
  return next >= length ? texts.whole() : writeRest(run, length, texts, next, writeFrom);
}

async function writeRest(
  run: Run,
  length: number,
  texts: ItemTexts,
  start: number,
  writeFrom: (texts: ItemTexts, start: number) => number,
): Promise<string> {
  for (let next = start; next < length;) {
    texts.handleRejections();
    await run.pause();
    next = writeSome(texts, next, writeFrom);
  }
  return texts.whole();
}

function writeSome(texts: ItemTexts, start: number, writeFrom: (texts: ItemTexts, start: number) => number): number {
  try {
    return writeFrom(texts, start);
  } catch (error) {
    texts.handleRejections();
    throw error;
  }
}
