/** A wording that readers of this field would not search for, and what to write instead. */
export interface DiscouragedWording {
  pattern: RegExp;
  /** The field's term, or how to write the sentence. */
  use: string;
  /** Uses that are right: a standard name, or another meaning. Matched on the whole line. */
  except?: RegExp;
}

/** Patterns match whole words, also inside camelCase and snake_case names. Each has its reason in `use`. */
export const discouragedWordings: readonly DiscouragedWording[] = [
  { pattern: word('strangers?'), use: 'anonymous (caller)' },
  { pattern: word('answer(?:s|ed|ing)?'), use: 'response, result, reply; return, respond, serve' },
  { pattern: word('ask(?:s|ed|ing)?'), use: 'request, call, query, select', except: /asking price|price asked/i },
  { pattern: word('told|tells?|telling'), use: 'notify, report, publish, return, log' },
  { pattern: word('hears?|heard|hearing'), use: 'receive, subscribe, be notified' },
  { pattern: word('forgets?|forgot|forgotten|forgetting'), use: 'evict, invalidate, clear, omit' },
  {
    pattern: word('refus(?:e|es|ed|ing|al|als)'),
    use: 'reject, rejection, error; "refuse" is for a start that fails',
    except: /refus(?:e|es|ed|ing) to start|ECONNREFUSED|connection refused|refus(?:e|es|ed) the connection/i,
  },
  {
    pattern: word('fault(?:y|s)?'),
    use: 'invalid, error, failure',
    except: /default|segmentation fault|fault injection/i,
  },
  { pattern: /\bat the (?:most|least|latest)\b/gi, use: 'at most, at least, by' },
  { pattern: /\bno more\b(?! than)/gi, use: 'no longer, none, stop' },
  { pattern: /\bthe own\b|\bof (?:its|their|one's) own\b/gi, use: 'its, separate, dedicated' },
  { pattern: word('whoever|whomever'), use: 'the caller, the client, any process that' },
  {
    pattern: /\b(?:one|those|all|any|nobody|somebody|someone|anyone|everyone) who\b/gi,
    use: 'caller, client, user, reader',
  },
  {
    pattern: /\bwho (?:asks?|wants?|waits?|reads?|listens?|may)\b/gi,
    use: 'caller, client, subscriber; "authorization rule"',
  },
  { pattern: /\b(?:on|under) (?:its|their|the)? ?way\b/gi, use: 'in flight, pending, running' },
  { pattern: word('felt|feels?'), use: 'affected; take effect; observe' },
  { pattern: word('lies|lay'), use: 'is, is stored' },
  { pattern: word('wants?|wanted|wanting'), use: 'need, request, require' },
  { pattern: word('anew'), use: 'again, afresh, from the start' },
  { pattern: word('stand-?ins?'), use: 'fallback, fake, stub' },
  { pattern: word('mend(?:s|ed|ing)?'), use: 'fix, repair, recover' },
  { pattern: word('patien(?:ce|t|tly)'), use: 'timeout, wait, deadline' },
  { pattern: /(?<!in[- ])\bflights?\b/gi, use: 'in-flight request, pending prediction' },
  {
    pattern: word('away'),
    use: 'unavailable, down, gone, disconnected',
    except: /right away|straight away|half away from zero/i,
  },
  { pattern: /\bkept (?:answers?|rows?|responses?|results?)\b/gi, use: 'cached response, query result cache' },
  { pattern: /\bare kept\b|\bis kept\b|\bwere kept\b|\bwas kept\b/gi, use: 'is cached, is stored, is retained' },
  { pattern: /\bgood for\b/gi, use: 'valid for; TTL; expires after' },
  { pattern: /\b(?:takes?|taken|took) up\b/gi, use: 'load, apply, reload' },
  { pattern: /\blets? (?:go|in|through|pass)\b/gi, use: 'release, close, accept, forward' },
  { pattern: /\bas ever\b|\ball the same\b/gi, use: 'as before, still' },
  { pattern: /\bmade up\b|\bmade-up\b/gi, use: 'fake, invented, synthetic' },
  { pattern: /\bso many\b|\bas many as\b|\bhow many\b/gi, use: 'number of, count, up to N' },
  { pattern: /\bgive[sn]? up\b|\bgave up\b/gi, use: 'abort, time out, drop' },
  { pattern: /\bputs? away\b/gi, use: 'close, clean up, release' },
  { pattern: /\bgo(?:es)? on\b|\bgoing on\b|\bwent on\b/gi, use: 'continue, resume, in progress' },
];

/** A whole word in prose, or a part of an identifier: `told` in `toldStatement` and `isTold`, not in `untold`. */
function word(alternatives: string): RegExp {
  const anyCase = `(?i:${alternatives})(?![a-z])`;
  return new RegExp(`(?<![A-Za-z])${anyCase}|(?<=[a-z])(?=[A-Z])${anyCase}`, 'g');
}
