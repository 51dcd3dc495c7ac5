// Selectors of what is no pod, and has no labels of Cilium's: Services, nodes, groups of CIDRs.
import { labelSubject, type ReadSubject } from '../label-selectors.ts';

/** Labels of what is no pod: the key is the label, after one of `sources`, as in `k8s:`. */
export function plainLabels(what: string, sources: readonly string[]): ReadSubject {
  return (written, place, reader) => {
    const source = sources.find((each) => written.startsWith(each)) ?? '';
    const key = written.slice(source.length);
    if (!key.startsWith('io.cilium.') && !key.startsWith('io.kubernetes.')) {
      return labelSubject('label', key, place, reader);
    }
    const message = `Cannot select ${what} by label ${JSON.stringify(key)}: it is one that Cilium gives to pods; write their own labels`;
    return reader.fail(place, 'not-supported', message);
  };
}
