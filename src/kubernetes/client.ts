// The only importer of @kubernetes/client-node: where the API server is, and who we are to it. Its own Watch is not used, because it skips
// lines that do not parse, and a lost event would part our state from the server's without a word.
import { existsSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { KubernetesError } from './kubernetes-error.ts';

const SERVICE_ACCOUNT_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';
const UNAUTHORIZED = 401;

export class ApiClient {
  readonly #path: string | undefined;
  #config: KubeConfig;
  #isDoubtful = false;

  private constructor(path: string | undefined, config: KubeConfig) {
    this.#path = path;
    this.#config = config;
  }

  /** `path`: a kubeconfig file; undefined: the pod's service account, else $KUBECONFIG, else ~/.kube/config. Throws 'bad-config'. */
  static open(path: string | undefined): ApiClient {
    return new ApiClient(path, loadConfig(path));
  }

  /** The answer as soon as its head is there, whatever its status. Rejects with what node:http(s) or an authentication program says. */
  async get(pathAndQuery: string, signal: AbortSignal): Promise<http.IncomingMessage> {
    if (this.#isDoubtful) this.#reload();
    try {
      const response = await this.#send(pathAndQuery, signal);
      this.#isDoubtful = response.statusCode === UNAUTHORIZED;
      return response;
    } catch (error) {
      this.#isDoubtful = true;
      throw error;
    }
  }

  async #send(pathAndQuery: string, signal: AbortSignal): Promise<http.IncomingMessage> {
    const given: http.OutgoingHttpHeaders = {};
    const options: https.RequestOptions = { headers: given };
    await this.#config.applyToHTTPSOptions(options); // the token, read anew from its file each minute; certificates
    const url = new URL(`${serverOf(this.#config)}${pathAndQuery}`);
    const headers = {
      ...given,
      accept: 'application/json',
      'accept-encoding': 'gzip',
      'user-agent': 'namewall',
    };
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    const { request } = url.protocol === 'https:' ? https : http;
    request(url, { ...options, headers: trimmed(headers), signal })
      .on('response', resolve)
      .on('error', reject)
      .end();
    return promise;
  }

  /** After a failure: tokens, certificates and addresses may have been renewed in their files. A file that is being written changes nothing. */
  #reload(): void {
    try {
      this.#config = loadConfig(this.#path);
    } catch (error) {
      if (!(error instanceof KubernetesError)) throw error;
    }
  }
}

function loadConfig(path: string | undefined): KubeConfig {
  const config = new KubeConfig();
  const isInCluster = process.env['KUBERNETES_SERVICE_HOST'] !== undefined && existsSync(SERVICE_ACCOUNT_TOKEN);
  try {
    if (path !== undefined) config.loadFromFile(path);
    else if (isInCluster) config.loadFromCluster();
    else config.loadFromDefault();
    const server = serverOf(config);
    if (!URL.canParse(server)) throw new Error(`server ${JSON.stringify(server)} is no URL`);
    const isPlain = new URL(server).protocol === 'http:';
    if (isPlain && config.getCurrentCluster()?.skipTLSVerify !== true) {
      throw new Error(`server ${JSON.stringify(server)} is not https; insecure-skip-tls-verify: true allows that`);
    }
    return config;
  } catch (cause) {
    const from = path === undefined ? 'the kubeconfig' : JSON.stringify(path);
    // The first line only: below it js-yaml shows the lines around the mistake, tokens and keys among them.
    const [why] = (cause instanceof Error ? cause.message : String(cause)).split('\n', 1);
    throw new KubernetesError('bad-config', `Cannot use ${from}: ${why ?? ''}`);
  }
}

function serverOf(config: KubeConfig): string {
  const server = config.getCurrentCluster()?.server;
  if (server === undefined) throw new Error('it has no current cluster');
  return server.endsWith('/') ? server.slice(0, -1) : server;
}

/** A token file may end in a newline, which no header may hold. */
function trimmed(headers: http.OutgoingHttpHeaders): http.OutgoingHttpHeaders {
  const entries = Object.entries(headers).map(([key, value]) => [
    key,
    typeof value === 'string' ? value.trim() : value,
  ]);
  return Object.fromEntries(entries);
}
