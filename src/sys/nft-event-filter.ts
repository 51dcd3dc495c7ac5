// A socket filter (classic BPF, socket(7) SO_ATTACH_FILTER) for nftables events: what our own commits cause thousands of times a second,
// element and generation messages, is dropped in the kernel (V7), and so are new rules of other tables, which iptables-nft-restore has by
// tens of thousands. The filter sees the first message of a datagram only, and the kernel puts several of one transaction into one:
// deletions of others pass, since `flush ruleset` has ours behind them. What hides behind others' new rules is found by looking.

// struct sock_filter { u16 code; u8 jt, jf; u32 k } and struct sock_fprog { u16 length; pointer } of <linux/filter.h>.
const BPF_LD_W_ABS = 0x20;
const BPF_LD_H_ABS = 0x28;
const BPF_LD_B_ABS = 0x30;
const BPF_JEQ_K = 0x15;
const BPF_RET_K = 0x06;
const NLMSG_TYPE = 4; // offset of nlmsg_type in struct nlmsghdr
const NFGENMSG_FAMILY = 16;
const FIRST_ATTRIBUTE = 20;
const FIRST_VALUE = 24;
const NFPROTO_INET = 1;
const NFTA_RULE_TABLE = 1; // the first attribute of every message about a rule (nf_tables_fill_rule_info)
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_NEWRULE = 6;
const NFT_MSG_NEWSETELEM = 12;
const NFT_MSG_DELSETELEM = 14;
const NFT_MSG_NEWGEN = 15;
const WHOLE_MESSAGE = 0xffff_ffff;

/** An instruction that loads, and the value without which the message is dropped. */
type Condition = readonly [load: number, offset: number, value: number];
type Instruction = readonly [code: number, jumpTrue: number, jumpFalse: number, k: number];

/** sock_fprog followed by its instructions, to be copied to the 16 bytes before `instructionsAddress`. `table` is of the family inet. */
export function eventFilter(instructionsAddress: number, table: string): Uint8Array {
  const dropped = [NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM, NFT_MSG_NEWGEN];
  const ours = isOfTable(table);
  // What is let through stands behind the conditions of a new rule, and what is dropped is the last.
  const pass = 1 + dropped.length + 1 + 2 * ours.length;
  const drop = pass + 1;
  const program: readonly Instruction[] = [
    [BPF_LD_H_ABS, 0, 0, NLMSG_TYPE],
    ...dropped.map((message, i): Instruction => [BPF_JEQ_K, drop - (i + 2), 0, loadedType(message)]),
    [BPF_JEQ_K, 0, pass - (dropped.length + 2), loadedType(NFT_MSG_NEWRULE)],
    ...ours.flatMap(([load, offset, value], i): Instruction[] => [
      [load, 0, 0, offset],
      [BPF_JEQ_K, 0, drop - (dropped.length + 2 + 2 * i + 2), value],
    ]),
    [BPF_RET_K, 0, 0, WHOLE_MESSAGE],
    [BPF_RET_K, 0, 0, 0],
  ];
  return encoded(program, instructionsAddress);
}

/** That the message is of this table: family, the attribute's header, and the name with its NUL by words. */
function isOfTable(table: string): Condition[] {
  const name = Buffer.from(`${table}\0`, 'latin1');
  const header = Buffer.alloc(4);
  header.writeUInt16LE(4 + name.length, 0);
  header.writeUInt16LE(NFTA_RULE_TABLE, 2);
  const conditions: Condition[] = [
    [BPF_LD_B_ABS, NFGENMSG_FAMILY, NFPROTO_INET],
    [BPF_LD_W_ABS, FIRST_ATTRIBUTE, header.readUInt32BE()],
  ];
  let at = 0;
  for (; at + 4 <= name.length; at += 4) conditions.push([BPF_LD_W_ABS, FIRST_VALUE + at, name.readUInt32BE(at)]);
  for (; at < name.length; at++) conditions.push([BPF_LD_B_ABS, FIRST_VALUE + at, name.readUInt8(at)]);
  return conditions;
}

function encoded(program: readonly Instruction[], instructionsAddress: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(16 + program.length * 8));
  view.setUint16(0, program.length, true);
  view.setBigUint64(8, BigInt(instructionsAddress), true);
  program.forEach(([code, jumpTrue, jumpFalse, k], i) => {
    const at = 16 + i * 8;
    view.setUint16(at, code, true);
    view.setUint8(at + 2, jumpTrue);
    view.setUint8(at + 3, jumpFalse);
    view.setUint32(at + 4, k, true);
  });
  return new Uint8Array(view.buffer);
}

/** BPF loads in network order, nlmsg_type (subsystem << 8 | message) stands in host order: little-endian here. */
function loadedType(message: number): number {
  return (message << 8) | NFNL_SUBSYS_NFTABLES;
}
