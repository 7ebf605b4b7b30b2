/** What the proxy before the stand-in services does: paths lose their base, and what leads to no service is its own 404. */
import type { Answer } from "./http.ts";

/** What nginx answers where no service is. */
export const notProxied: Answer = {
  kind: "answer",
  status: 404,
  headers: { "content-type": "text/html" },
  body: "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n" +
    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n",
};

/** The path as the service behind the proxy sees it, slashes put right as it does; null when it is not the service's. */
export function withoutBase(path: string, basePath: string): string | null {
  const base = basePath === "/" ? "" : basePath;
  if (path !== base && !path.startsWith(`${base}/`)) return null;
  const parts = path.slice(base.length).split("/").filter((part) => part !== "");
  return `/${parts.join("/")}`;
}
