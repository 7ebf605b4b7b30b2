/**
 * What the environment asks for: all settings read at once, with every fault and warning in words for the person who wrote
 * it, and what follows from several of them together. Each setting documents itself in `settings_list`; how they are shown
 * is for `settings_shown`. No text made here repeats a secret, nor a value that may hold one.
 */
import { isLoopback } from "./loopback.ts";
import { notAllowed, type Setting } from "./setting.ts";
import { allSettings, type SettingName, settingsList, type Values } from "./settings_list.ts";
import { unknownNames } from "./settings_shown.ts";
import { excerpt } from "./trouble.ts";

/** Every setting by its variable's name without `STATUS_`; durations in milliseconds. */
export type Settings = Values & {
  /** Those that were asked for. What is not among them has its default, which may fall back where it can't be had. */
  readonly given: ReadonlySet<SettingName>;
};

export type SettingsRead =
  | { readonly kind: "ok"; readonly settings: Settings; readonly warnings: readonly string[] }
  | { readonly kind: "faulty"; readonly faults: readonly string[]; readonly warnings: readonly string[] };

type Environment = Readonly<Record<string, string | undefined>>;
type ReadFile = (path: string) => string;

/**
 * Reads `STATUS_*` of `env`; its other variables don't matter. `readFile` gives a file's text or throws, and is asked for
 * secrets and certificates only. Never throws.
 */
export function readSettings(env: Environment, readFile: ReadFile): SettingsRead {
  const raw: Record<string, unknown> = {};
  const given = new Set<SettingName>();
  const faults: string[] = [];
  const warnings = unknownNames(env);
  for (const [name, setting] of allSettings) {
    const found = find(name, setting, { env, readFile });
    const read = found.kind === "found" ? parse(name, setting, found) : found;
    if (read.kind !== "unset") given.add(name);
    if (read.kind === "fault") faults.push(read.fault);
    else if (read.kind === "value") {
      raw[name] = read.value;
      if (read.warning !== null) warnings.push(`STATUS_${name} ${read.warning}`);
    } else if (setting.otherwise.kind === "required") {
      faults.push(`STATUS_${name} is not set, and must be ${setting.kind.allowed}`);
    } else raw[name] = unsetValue(setting, raw);
  }
  const values = raw as Values; // all names of the list are in it, but for faulty ones, and then it goes no further
  faults.push(...mailFaults(values, given), ...portFaults(values), ...webhookFaults(given));
  if (faults.length > 0) return { kind: "faulty", faults, warnings };
  const settings = { ...values, ...mailLogin(values, given), given };
  return { kind: "ok", settings, warnings: [...warnings, ...webhookWarnings(settings), ...mailWarnings(settings)] };
}

export interface ServiceUrls {
  /** `base` is also the audience of the service's tokens, to the character. */
  readonly book: { readonly base: string; readonly api: string };
  readonly jump: { readonly base: string; readonly access: string };
  readonly relay: { readonly base: string; readonly access: string };
}

export function serviceUrls(settings: Values): ServiceUrls {
  const book = `${settings.SCHEME_BOOK}://${settings.HOST_BOOK}${settings.BASEPATH_BOOK}`;
  const jump = `${settings.SCHEME_JUMP}://${settings.HOST_JUMP}${settings.BASEPATH_JUMP}`;
  const relay = `${settings.SCHEME_RELAY}://${settings.HOST_RELAY}${settings.BASEPATH_RELAY}`;
  return {
    book: { base: book, api: `${book}/api/v1` },
    jump: { base: jump, access: `${jump}/api/v1/connect/stats` },
    relay: { base: relay, access: `${relay}/session/stats` },
  };
}

/** `text`, and whether it is that of the file which the variable (for a secret, NAME_FILE) names. */
type Found = { readonly kind: "found"; readonly text: string; readonly isFile: boolean };
type Fault = { readonly kind: "fault"; readonly fault: string };

function find(
  name: SettingName,
  { kind: { source } }: Setting<unknown>,
  { env, readFile }: { env: Environment; readFile: ReadFile },
): Found | Fault | { kind: "unset" } {
  const own = env[`STATUS_${name}`] ?? "";
  const text = source === "text" ? own.trim() : source === "secret" ? own : "";
  const path = (source === "secret" ? env[`STATUS_${name}_FILE`] ?? "" : source === "file" ? own : "").trim();
  if (text !== "" && path !== "") {
    return fault(`STATUS_${name} and STATUS_${name}_FILE are both set, and only one may be`);
  }
  if (text !== "") return { kind: "found", text, isFile: false };
  if (path === "") return { kind: "unset" };
  try {
    return { kind: "found", text: readFile(path).replace(/[\r\n]+$/, ""), isFile: true };
  } catch (error) {
    // The path is not repeated, nor the error's message, which has it: some will write the secret itself into NAME_FILE.
    return fault(`${fileVariable(name, source)} must name a file that can be read: ${whyUnreadable(error)}`);
  }
}

function parse(
  name: SettingName,
  { kind }: Setting<unknown>,
  { text, isFile }: Found,
): Fault | { kind: "value"; value: unknown; warning: string | null } {
  const { data, error } = kind.schema.safeParse(text);
  if (error === undefined) return { kind: "value", value: data, warning: kind.warning(data, text) };
  // Only the words of our own kinds are for people; zod's are for programmers.
  const [issue] = error.issues;
  const help = issue?.code === "custom" && issue.message !== notAllowed ? `: ${excerpt(issue.message)}` : "";
  if (isFile) return fault(`${fileVariable(name, kind.source)} must name a file that holds ${kind.allowed}${help}`);
  if (kind.isDiscreet(text)) return fault(`STATUS_${name} must be ${kind.allowed}${help}; what it holds is not shown`);
  return fault(`STATUS_${name} is ${JSON.stringify(excerpt(text))}, and must be ${kind.allowed}${help}`);
}

function unsetValue({ kind, otherwise }: Setting<unknown>, earlier: Readonly<Record<string, unknown>>): unknown {
  switch (otherwise.kind) {
    case "text":
      return kind.schema.safeParse(otherwise.text).data;
    case "value":
      return otherwise.value;
    case "follows":
      return earlier[otherwise.name];
    case "required":
      return undefined;
  }
}

function fault(words: string): Fault {
  return { kind: "fault", fault: words };
}

function fileVariable(name: SettingName, source: "text" | "secret" | "file"): string {
  return source === "secret" ? `STATUS_${name}_FILE` : `STATUS_${name}`;
}

function whyUnreadable(error: unknown): string {
  const name = error instanceof Error ? error.name : "";
  if (name === "NotFound") return "there is no such file";
  if (name === "PermissionDenied") return "permission denied";
  if (name === "IsADirectory") return "it is a folder";
  return name === "" ? "it can't be" : name;
}

type Given = ReadonlySet<SettingName>;

function mailFaults(values: Values, given: Given): string[] {
  if (!given.has("EMAIL_HOST")) return [];
  const faults = (["EMAIL_FROM", "EMAIL_TO"] as const)
    .filter((name) => !given.has(name))
    .map((name) => `STATUS_${name} is not set, and must be with STATUS_EMAIL_HOST: ${settingsList[name].kind.allowed}`);
  if (given.has("EMAIL_PASSWORD") || (given.has("EMAIL_AUTH_TYPE") && values.EMAIL_AUTH_TYPE === "none")) return faults;
  if (given.has("EMAIL_AUTH_TYPE") && values.EMAIL_AUTH_TYPE !== undefined) {
    faults.push(
      `STATUS_EMAIL_AUTH_TYPE is "${values.EMAIL_AUTH_TYPE}", and must be none without STATUS_EMAIL_PASSWORD`,
    );
  }
  return faults;
}

function portFaults({ PROFILE, PORT_PROFILE, PORT_SERVE }: Values): string[] {
  if (!PROFILE || PORT_PROFILE !== PORT_SERVE) return [];
  return [`STATUS_PORT_PROFILE is "${PORT_PROFILE}", and must be another than STATUS_PORT_SERVE with STATUS_PROFILE`];
}

function webhookFaults(given: Given): string[] {
  if (!given.has("WEBHOOK_URL") || given.has("SECRET_WEBHOOK")) return [];
  const { allowed } = settingsList.SECRET_WEBHOOK.kind;
  return [`STATUS_SECRET_WEBHOOK is not set, and must be with STATUS_WEBHOOK_URL: ${allowed}`];
}

function webhookWarnings({ given }: Settings): string[] {
  if (given.has("WEBHOOK_URL") || !given.has("SECRET_WEBHOOK")) return [];
  return ["STATUS_SECRET_WEBHOOK is set without STATUS_WEBHOOK_URL, so nothing is signed with it"];
}

/** How to log in where that was not given: plain with a password, by the sender's address. */
function mailLogin(values: Values, given: Given): Pick<Values, "EMAIL_AUTH_TYPE" | "EMAIL_USER"> {
  const type = values.EMAIL_PASSWORD === null ? "none" : "plain";
  return {
    EMAIL_AUTH_TYPE: given.has("EMAIL_AUTH_TYPE") ? values.EMAIL_AUTH_TYPE : type,
    EMAIL_USER: values.EMAIL_USER ?? values.EMAIL_FROM?.address ?? null,
  };
}

function mailWarnings({ EMAIL_HOST, EMAIL_PASSWORD, EMAIL_TLS, given }: Settings): string[] {
  if (EMAIL_HOST === null) return ["STATUS_EMAIL_HOST is not set, so no mail is sent: alerts are logged"];
  if (EMAIL_PASSWORD === null) {
    if (!given.has("EMAIL_USER") || given.has("EMAIL_AUTH_TYPE")) return []; // which is none then
    return ["STATUS_EMAIL_USER is set without STATUS_EMAIL_PASSWORD, so there is no login"];
  }
  if (EMAIL_TLS !== "none" || isLoopback(EMAIL_HOST)) return [];
  return ["STATUS_EMAIL_TLS is none, so STATUS_EMAIL_PASSWORD goes over the network unencrypted"];
}
