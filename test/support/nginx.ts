/** A real nginx with the lines of deploy/nginx.conf and deploy/nginx_limits.conf, as one process in a folder of its own that needs no rights. */
import { freePort } from "../../scripts/simulator/wire.ts";
import { findTool } from "./tool.ts";

export const nginxFile = findTool("nginx");

const lines = linesOf("nginx.conf");
const limits = linesOf("nginx_limits.conf");

export class Nginx implements AsyncDisposable {
  readonly port: number;
  readonly #process: Deno.ChildProcess;
  readonly #folder: string;

  private constructor(port: number, process: Deno.ChildProcess, folder: string) {
    this.port = port;
    this.#process = process;
    this.#folder = folder;
  }

  /** In front of the monitor at `port`, for the tenant `tenant`, with buffering on. `sooner`: other figures for some lines. */
  static async before(
    { file, port, tenant, sooner = {} }: {
      file: string;
      port: number;
      tenant: string;
      sooner?: Readonly<Record<string, string>>;
    },
  ): Promise<Nginx> {
    const folder = await Deno.makeTempDir({ prefix: "nginx" });
    const own = freePort();
    await Deno.writeTextFile(
      `${folder}/status.conf`,
      changed(lines, sooner).replaceAll("TENANT", tenant).replace(":3007/", `:${port}/`),
    );
    await Deno.writeTextFile(`${folder}/status_limits.conf`, changed(limits, sooner));
    await Deno.writeTextFile(`${folder}/nginx.conf`, configuration(folder, own));
    const args = ["-p", folder, "-c", `${folder}/nginx.conf`, "-e", "stderr"];
    const nginx = new Nginx(own, new Deno.Command(file, { args }).spawn(), folder);
    await nginx.#listens();
    return nginx;
  }

  async #listens(): Promise<void> {
    const signal = AbortSignal.timeout(10_000);
    for (;;) {
      try {
        return (await Deno.connect({ hostname: "127.0.0.1", port: this.port })).close();
      } catch (cause) {
        if (signal.aborted) throw new Error(`Cannot reach nginx on ${this.port} in 10 s`, { cause });
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGTERM");
    await this.#process.status;
    await Deno.remove(this.#folder, { recursive: true });
  }
}

function linesOf(name: string): string {
  return Deno.readTextFileSync(`${import.meta.dirname}/../../deploy/${name}`);
}

function changed(text: string, sooner: Readonly<Record<string, string>>): string {
  return Object.entries(sooner).reduce((left, [line, other]) => left.replace(line, other), text);
}

function configuration(folder: string, port: number): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) =>
    `${name}_temp_path ${folder}/${name};`
  );
  return `
daemon off;
master_process off;
error_log stderr crit;
pid ${folder}/nginx.pid;
events { worker_connections 512; }
http {
    access_log off;
    include ${folder}/status_limits.conf;
    ${temporary.join("\n    ")}
    proxy_buffering on;
    server {
        listen 127.0.0.1:${port};
        location / { return 404; }
        include ${folder}/status.conf;
    }
}
`;
}
