// The words of an `upstream` statement → an answer's bytes. Records are owned by the question's name until a CNAME or `owner` moves on.
import { parseAddress } from '../../src/base/ip.ts';
import { FLAG, TYPE, typeFromName } from '../../src/dns/codes.ts';
import { message, name, pointer, question, record, u16, u32 } from '../unit/dns/message.ts';
import type { Bytes } from '../unit/dns/message.ts';
import type { Message } from './scenario-message.ts';
import { optionOf } from './scenario-query.ts';
import { serviceRdata } from './scenario-services.ts';
import { bytesOf } from './scenario-text.ts';
import type { Words } from './scenario-text.ts';

const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];
const DEFAULT_TTL = 300;
const QUESTION_AT = 12;

interface Draft {
  section: 'answers' | 'authority' | 'additional';
  owner: string | Bytes;
  type: number;
  class: number;
  ttl: number | undefined;
  rdata: Bytes;
  rdlength: number | undefined;
}

export interface UpstreamAnswer {
  /** Empty: the server stays silent. */
  readonly datagrams: readonly Uint8Array[];
  /** Sent to another of our sockets than the one that asked. */
  readonly toAnotherSocket: boolean;
  /** Sent by this address instead of the server's. */
  readonly from?: string;
}

/**
 * Items: ADDRESS, ADDRESS-LAST (a range in the last byte), `CNAME name`, `owner name`, `TXT text`, `SOA`, `SOA min N`, `NS name`,
 * `rdata TYPE HEX`, `DNAME name`, `HTTPS PRIORITY TARGET PARAMETERS` and the same of SVCB, `repeat N` (the record before so many times more), an
 * rcode, `rcode N`, `ttl N` (of the records before it that have none), `class N` and `rdlength N` (of the next record), `authority`,
 * `additional`, `bomb N`, `opt -`, `opt CODE:HEX+CODE:HEX`, `tc`, `ad`, `aa`, `wrong id`, `question NAME`, `trailing HEX`, `counts N`,
 * `raw HEX`, `nothing`, `to another socket`, `from ADDRESS`.
 */
export function readAnswer(words: Words, asked: Message, question0: Bytes): UpstreamAnswer {
  const reading = new AnswerReading(asked, question0);
  while (!words.isEmpty) reading.item(words);
  return reading.answer();
}

class AnswerReading {
  readonly #asked: Message;
  readonly #question: Bytes;
  readonly #records: Draft[] = [];
  #section: Draft['section'] = 'answers';
  #owner: string;
  #flags: number = FLAG.QR | FLAG.RD | FLAG.RA;
  /** Of all OPT records: what does not fit into the header. */
  #upperRcode = 0;
  #id: number;
  #otherQuestion: Bytes | undefined;
  #nextClass: number | undefined;
  #nextRdlength: number | undefined;
  #trailing: Bytes = [];
  #raw: Uint8Array | undefined;
  #answerCount: number | undefined;
  #isSilent = false;
  #toAnotherSocket = false;
  #from: string | undefined;

  constructor(asked: Message, question0: Bytes) {
    this.#asked = asked;
    this.#question = question0;
    this.#owner = asked.question?.name ?? '.';
    this.#id = asked.id;
  }

  item(words: Words): void {
    const word = words.next('what the server answers');
    if (RCODES.includes(word)) this.#flags |= RCODES.indexOf(word);
    else if (/^[0-9a-f.:]+(-\d+)?$/i.test(word) && /[.:]/.test(word)) this.#addresses(word);
    else this.#named(word, words);
  }

  answer(): UpstreamAnswer {
    const rest = { toAnotherSocket: this.#toAnotherSocket, ...(this.#from !== undefined && { from: this.#from }) };
    if (this.#isSilent) return { datagrams: [], ...rest };
    if (this.#raw !== undefined) return { datagrams: [Uint8Array.from([...u16(this.#id), ...this.#raw])], ...rest };
    const of = (section: Draft['section']) =>
      this.#records.filter((it) => it.section === section).map((it) => this.#write(it));
    const bytes = message({
      id: this.#id,
      flags: this.#flags,
      questions: [this.#otherQuestion ?? this.#question],
      answers: of('answers'),
      authority: of('authority'),
      additional: of('additional'),
      trailing: this.#trailing,
    });
    if (this.#answerCount !== undefined) bytes.set(u16(this.#answerCount), 6);
    return { datagrams: [bytes], ...rest };
  }

  #named(word: string, words: Words): void {
    switch (word) {
      case 'CNAME': {
        const target = words.next('the name that CNAME points to');
        this.#add(5, name(target));
        this.#owner = target;
        return;
      }
      case 'NS':
        return this.#add(2, name(words.next('a name')));
      case 'SOA':
        return this.#add(6, [
          ...name('ns.example.org'),
          ...name('root.example.org'),
          ...[1, 2, 3, 4, words.skip('min') ? words.number('seconds') : 3600].flatMap(u32),
        ]);
      case 'TXT': {
        const text = [...Buffer.from(words.next('a text'), 'latin1')];
        return this.#add(16, [text.length, ...text]);
      }
      case 'HTTPS':
      case 'SVCB': {
        const rdata = serviceRdata(words.next('a priority'), words.next('a target'), words.next('parameters or -'));
        return this.#add(word === 'HTTPS' ? 65 : 64, rdata);
      }
      case 'DNAME':
        return this.#add(39, name(words.next('the name that DNAME points to')));
      case 'rdata': {
        const type = typeFromName(words.next('a type'));
        if (type === undefined) throw new Error('rdata takes a type and hexadecimal bytes');
        return this.#add(type, [...bytesOf(words.next('hexadecimal bytes').replace(/^-$/, ''))]);
      }
      case 'owner':
        this.#owner = words.next('a name');
        return;
      case 'ttl':
        return this.#ttl(words.number('seconds'));
      case 'class':
        this.#nextClass = words.number('a class');
        return;
      case 'rdlength':
        this.#nextRdlength = words.number('bytes');
        return;
      case 'authority':
      case 'additional':
        this.#section = word;
        return;
      case 'rcode': {
        const rcode = words.number('an rcode');
        this.#flags |= rcode & FLAG.RcodeMask;
        this.#upperRcode = rcode >> 4;
        return;
      }
      case 'repeat': {
        const last = this.#records.slice(-1);
        for (let n = words.number('a number'); n > 0; n--) this.#records.push(...last);
        return;
      }
      case 'bomb':
        return this.#bomb(words.number('records'));
      case 'opt':
        return this.#opt(words.next('options'));
      case 'tc':
        this.#flags |= FLAG.TC;
        return;
      case 'ad':
        this.#flags |= FLAG.AD;
        return;
      case 'aa':
        this.#flags |= FLAG.AA;
        return;
      case 'counts':
        this.#answerCount = words.number('a number of answers');
        return;
      case 'trailing':
        this.#trailing = [...bytesOf(words.next('hexadecimal bytes'))];
        return;
      case 'raw':
        this.#raw = bytesOf(words.next('hexadecimal bytes').replace(/^-$/, ''));
        return;
      case 'nothing':
        this.#isSilent = true;
        return;
      default:
        return this.#astray(word, words);
    }
  }

  /** A ladder of 126 pointers, each to the one before, and records whose names begin at its top. The first item of an answer. */
  #bomb(records: number): void {
    const at = QUESTION_AT + this.#question.length + 11; // behind the record's fixed part, its owner the root
    const rungs = Array.from({ length: 126 }, (_, i) => pointer(i === 0 ? at : at + 2 * i - 1)).flat();
    const top = at + rungs.length - 1;
    const fixed = { section: this.#section, class: 1, ttl: undefined, rdlength: undefined };
    this.#records.push({ ...fixed, owner: '.', type: TYPE.NULL, rdata: [0, ...rungs] });
    for (let i = 0; i < records; i++) {
      const owner = pointer(top - 2 * (i % 2)); // no owner is that of the record before
      this.#records.push({ ...fixed, owner, type: TYPE.NS, rdata: pointer(top) });
    }
  }

  #opt(options: string): void {
    const rdata = options === '-' ? [] : options.split('+').flatMap(optionOf);
    const fixed = { owner: '.', type: TYPE.OPT, class: 1232, ttl: 0, rdlength: undefined };
    this.#records.push({ section: 'additional', ...fixed, rdata });
  }

  /** What makes an answer one to somebody else. */
  #astray(word: string, words: Words): void {
    const { question: asked } = this.#asked;
    if (word === 'wrong' && words.skip('id')) this.#id ^= 1;
    else if (word === 'question') {
      this.#otherQuestion = question(words.next('a name'), typeFromName(asked?.type ?? 'A') ?? 1);
    } else if (word === 'to' && words.skip('another') && words.skip('socket')) this.#toAnotherSocket = true;
    else if (word === 'from') this.#from = words.next('an address');
    else throw new Error(`"${word}" is not understood in an answer`);
  }

  #addresses(word: string): void {
    const [first = '', last] = word.split('-', 2);
    const address = parseAddress(first);
    if (address === undefined) throw new Error(`"${first}" is no address`);
    const isText4 = !first.includes(':');
    for (let i = address[15] ?? 0; i <= Number(last ?? address[15]); i++) {
      address[15] = i;
      this.#add(isText4 ? 1 : 28, [...address.subarray(isText4 ? 12 : 0)]);
    }
  }

  #add(type: number, rdata: Bytes): void {
    this.#records.push({
      section: this.#section,
      owner: this.#owner,
      type,
      class: this.#nextClass ?? 1,
      ttl: undefined,
      rdata,
      rdlength: this.#nextRdlength,
    });
    this.#nextClass = this.#nextRdlength = undefined;
  }

  #ttl(seconds: number): void {
    for (const it of this.#records) it.ttl ??= seconds;
  }

  #write(it: Draft): Bytes {
    const isAsked = it.owner === this.#asked.question?.name && it.owner !== '.'; // a pointer to the root is longer than the root
    const owner = isAsked ? pointer(QUESTION_AT) : it.owner;
    const ttl = it.type === TYPE.OPT ? this.#upperRcode * 2 ** 24 : (it.ttl ?? DEFAULT_TTL);
    const fixed = { owner, type: it.type, class: it.class, ttl, rdata: it.rdata };
    return record(it.rdlength === undefined ? fixed : { ...fixed, rdlength: it.rdlength });
  }
}
