/**
 * The notices that those who wrote what is in the executable ask to be handed on with it: writes docs/licences.txt from the
 * packages' own files, `deno run --allow-all scripts/licences.ts`. The same packages make the same bytes; a test compares.
 */
import { type Package, programPackages } from "./sbom.ts";

const head =
  `What is in the executable of status is by others too. This is what they ask to be handed on with it: copy this file
with the executable. The licence of status itself is AGPL-3.0 (LICENSE). The runtime is Deno's, which says in its own
executable and repository what it is made of; docs/sbom.cdx.json lists versions and licences.
`;

/** The whole file. Throws a TypeError for a package without such a text: its notice must come from elsewhere. */
export async function licences(): Promise<string> {
  const texts = await Promise.all([...(await programPackages()).values()].map(noticeOf));
  return [head, ...texts].join(`\n${"-".repeat(100)}\n`);
}

async function noticeOf({ name, version, localPath }: Package): Promise<string> {
  const { license }: { license: string } = JSON.parse(await Deno.readTextFile(`${localPath}/package.json`));
  const files = (await Array.fromAsync(Deno.readDir(localPath))).map((each) => each.name);
  const notices = files.filter((file) => /^(licen[cs]e|notice|copying)\b/i.test(file)).sort();
  if (notices.length === 0) throw new TypeError(`Cannot find the licence of ${name} among its files`);
  const texts = await Promise.all(notices.map((file) => Deno.readTextFile(`${localPath}/${file}`)));
  return [`${name} ${version}: ${license}`, ...texts.map((text) => text.trim())].join("\n\n");
}

if (import.meta.main) {
  await Deno.writeTextFile(new URL("../docs/licences.txt", import.meta.url), await licences());
}
