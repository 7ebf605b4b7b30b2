/** What goes out of a service that has a fault, instead of what it would have answered, and instead of its frames. */
import { garbageBytes, garbagePage, type HttpFault, mistypedText } from "./fault.ts";
import { type Answer, type Asked, json } from "./http.ts";
import { binaryFrame, textFrame } from "./socket.ts";

type Of<Kind extends HttpFault["kind"]> = HttpFault & { kind: Kind };

/** `fault` is null for a service that is well. */
export async function spoilt(
  fault: HttpFault | null,
  asked: Asked,
  answer: () => Answer | Promise<Answer>,
): Promise<Answer> {
  switch (fault?.kind) {
    case "hang":
      return { kind: "hang" };
    case "refuse":
      return json(fault.status, fault.body, { "content-type": fault.contentType ?? "application/json" });
    case "redirect": {
      const location = fault.to === "itself" ? asked.target : "http://127.0.0.1:9/elsewhere?code=not-to-be-shown";
      return { kind: "answer", status: fault.status, headers: { location }, body: "" };
    }
    case "garbage":
      return garbage(fault.what, await answer());
    case "cut":
      return cut(fault.at, await answer());
    default:
      return await answer();
  }
}

function garbage(what: Of<"garbage">["what"], answer: Answer): Answer {
  if (answer.kind !== "answer" || answer.status > 299) return answer;
  const body = String(answer.body);
  switch (what) {
    case "html":
      return json(200, garbagePage, { "content-type": "text/html" });
    case "bytes":
      return { ...answer, status: 200, body: garbageBytes };
    case "half":
      return { ...answer, body: body.slice(0, body.length / 2) };
    case "types":
      return { ...answer, body: mistypedText(body) };
  }
}

function cut(at: Of<"cut">["at"], answer: Answer): Answer {
  if (at === "handshake") {
    if (answer.kind !== "upgrade") return answer;
    return { kind: "answer", status: 101, headers: { upgrade: "websocket" }, body: "", cutAt: "head" };
  }
  return answer.kind === "answer" && at !== "accept" ? { ...answer, cutAt: at } : answer;
}

/** What a socket gets in place of the report `text`; `ends`: and then its end. */
export function spoiltFrame(what: Of<"frames">["what"], text: string): { bytes: Uint8Array; ends: boolean } {
  const whole = (bytes: Uint8Array) => ({ bytes, ends: false });
  switch (what) {
    case "text":
      return whole(textFrame(garbagePage));
    case "bytes":
      return whole(binaryFrame(garbageBytes));
    case "half":
      return whole(textFrame(text.slice(0, text.length / 2)));
    case "types":
      return whole(textFrame(mistypedText(text)));
    case "none":
      return whole(garbageBytes);
    case "cut": {
      const frame = textFrame(text);
      return { bytes: frame.subarray(0, frame.length / 2), ends: true };
    }
  }
}
