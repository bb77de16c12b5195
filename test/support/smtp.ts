import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';
import { waitUntil } from './wait-until.js';

/** A message as a mail server received it. */
export interface ReceivedMail {
  from: string;
  to: string[];
  subject: string;
  text: string;
}

/** A local mail server that keeps what it receives. */
export interface TestMailServer {
  url: string;
  mails: ReceivedMail[];
  /** Holds every message until the returned function is called. */
  hold(): () => void;
  /** Waits for messages to an address. @returns the texts of all of them */
  textsTo(address: string, count?: number): Promise<string[]>;
  close(): Promise<void>;
}

export async function startMailServer(): Promise<TestMailServer> {
  const mails: ReceivedMail[] = [];
  let held = Promise.resolve<undefined>(undefined);
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    disableReverseLookup: true,
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        void held.then(() => {
          mails.push({
            from: mailFrom === false ? '' : mailFrom.address,
            to: rcptTo.map(({ address }) => address),
            ...parsed(Buffer.concat(chunks).toString()),
          });
          done();
        });
      });
    },
  });
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  const { port } = server.server.address() as AddressInfo;
  const to = (address: string): string[] => mails.flatMap((mail) => (mail.to.includes(address) ? [mail.text] : []));
  return {
    url: `smtp://127.0.0.1:${port}`,
    mails,
    hold() {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      held = promise;
      return () => resolve(undefined);
    },
    async textsTo(address, count = 1) {
      await waitUntil(() => to(address).length >= count);
      return to(address);
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** The subject and the text, without the line breaks of quoted-printable. */
function parsed(source: string): { subject: string; text: string } {
  const [head = '', ...rest] = source.split('\r\n\r\n');
  const text = rest.join('\n\n').replaceAll('=\r\n', '').replaceAll('=3D', '=');
  return { subject: /^Subject: (.*)$/m.exec(head)?.[1]?.trim() ?? '', text };
}
