// A socket filter (classic BPF, socket(7) SO_ATTACH_FILTER) for nftables events: what our own commits cause thousands of times a
// second, element and generation messages, is dropped in the kernel (V7), and so are new rules, which another program's transaction has by
// tens of thousands: the watcher looks for what is deleted.

// struct sock_filter { u16 code; u8 jt, jf; u32 k } and struct sock_fprog { u16 length; pointer } of <linux/filter.h>.
const BPF_LDH_ABS = 0x28;
const BPF_JEQ_K = 0x15;
const BPF_RET_K = 0x06;
const NLMSG_TYPE = 4; // offset of nlmsg_type in struct nlmsghdr
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_NEWRULE = 6;
const NFT_MSG_NEWSETELEM = 12;
const NFT_MSG_DELSETELEM = 14;
const NFT_MSG_NEWGEN = 15;
const WHOLE_MESSAGE = 0xffff_ffff;

/** sock_fprog followed by its instructions, to be copied to the 16 bytes before `instructionsAddress`. */
export function elementEventFilter(instructionsAddress: number): Uint8Array {
  const dropped = [NFT_MSG_NEWRULE, NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM, NFT_MSG_NEWGEN];
  const program: [code: number, jumpTrue: number, jumpFalse: number, k: number][] = [
    [BPF_LDH_ABS, 0, 0, NLMSG_TYPE],
    ...dropped.map((message, i): [number, number, number, number] => {
      return [BPF_JEQ_K, dropped.length - i, 0, loadedType(message)];
    }),
    [BPF_RET_K, 0, 0, WHOLE_MESSAGE],
    [BPF_RET_K, 0, 0, 0],
  ];
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
