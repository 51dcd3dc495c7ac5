// The syntax of names and labels of Kubernetes objects, which policies and clients files share. Lengths are checked before any
// pattern runs.

const LABEL_PART = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const DNS_LABEL = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;
const MAX_LABEL_PART = 63;
const MAX_SUBDOMAIN = 253;

/** RFC 1123 label: names of namespaces. */
export function isDnsLabel(text: string): boolean {
  return text.length <= MAX_LABEL_PART && DNS_LABEL.test(text);
}

/** RFC 1123 subdomain: names of most objects. */
export function isDnsSubdomain(text: string): boolean {
  return text.length <= MAX_SUBDOMAIN && text.split('.').every(isDnsLabel);
}

/** `name` or `prefix/name`. */
export function isLabelKey(text: string): boolean {
  const slash = text.indexOf('/');
  if (slash >= 0 && !isDnsSubdomain(text.slice(0, slash))) return false;
  const name = text.slice(slash + 1);
  return name.length <= MAX_LABEL_PART && LABEL_PART.test(name);
}

export function isLabelValue(text: string): boolean {
  return text === '' || (text.length <= MAX_LABEL_PART && LABEL_PART.test(text));
}
