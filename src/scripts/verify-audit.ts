import { verifyChain, type ChainHead } from '../audit/chain.js';
import { databaseOf } from '../database/orm.js';
import { encodeId } from '../graphql/relay/global-id.js';
import { failUsage, parseCli } from './lib/cli.js';
import { withDatabase } from './lib/with-database.js';

const usage = `Usage: npm run audit:verify -- [--head <position>:<hash>]

Verifies the hash chain of the audit log: exit code 0 if it is intact, 1 with the first broken link if it is not.

  --head  a head that an earlier run printed; it must still be part of the chain
`;

const { values } = parseCli(usage, { options: { head: { type: 'string' } } });
const expected = values.head === undefined ? null : headOf(values.head);
await withDatabase(async ({ orm }) => {
  const report = await verifyChain(databaseOf(orm), expected);
  if (report.isIntact) {
    const { events, first, head } = report;
    process.stdout.write(
      head
        ? `The audit log is intact: ${events} events, links ${first} to ${head.position}. Head: ${head.position}:${head.hash}\n`
        : 'The audit log is empty.\n',
    );
    return;
  }
  const { position, eventId, problem } = report.broken;
  const event = eventId === null ? '' : ` (${encodeId('auditevent', eventId)}, ${eventId})`;
  process.stderr.write(`The audit log is broken: link ${position}${event} ${problem}.\n`);
  process.exitCode = 1;
});

function headOf(text: string): ChainHead {
  const [, position, hash] = /^([1-9]\d{0,14}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (position === undefined || hash === undefined)
    failUsage(usage, '--head must be a position, a colon and 64 hexadecimal digits');
  return { position: Number(position), hash };
}
