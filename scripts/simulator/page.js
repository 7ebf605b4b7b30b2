/** The control page: shows what is true in the stand-in world, as it changes, and asks for what a button says. */
const serviceVerbs = {
  book: [["stop"], ["start"], ["restart"], ["load-manifest"], ["hang"], ["refuse", {
    status: 502,
    body: "Bad Gateway",
  }]],
  jump: [["stop"], ["start"], ["mute"], ["hang"], ["refuse", {
    status: 500,
    body: '{"code":500,"message":"error reading token was signature is invalid"}',
  }]],
  relay: [
    ["stop"],
    ["start"],
    ["mute"],
    ["hang"],
    ["refuse", { status: 500, body: '{"code":500,"message":"token invalid"}' }],
    ["drop"],
    ["glue"],
  ],
  mailbox: [["stop"], ["start"], ["refuse", { stage: "RCPT", code: 550, text: "no such user here" }], ["hang", {
    stage: "DATA",
  }], ["drop-after-data"]],
  hook: [
    ["stop"],
    ["start"],
    ["answer", { status: 503, body: "try later", headers: { "retry-after": "10" } }],
    ["fail", { kind: "hang" }],
    ["drop-next"],
  ],
};
const byId = (id) => document.getElementById(id);
const time = (ms) => new Date(ms).toISOString().slice(11, 19);

function element(tag, text = "", className = "") {
  return Object.assign(document.createElement(tag), { textContent: text, className });
}
function button(label, path, body) {
  const made = Object.assign(element("button", label), { title: path });
  made.onclick = async () => {
    const answer = await fetch("/control/" + path, { method: "POST", body: JSON.stringify(body ?? {}) });
    byId("fault").textContent = answer.ok ? "" : (await answer.json()).message;
  };
  return made;
}
function row(...cells) {
  const made = element("tr");
  for (const cell of cells) {
    const td = element("td");
    td.append(...[cell].flat());
    made.append(td);
  }
  return made;
}
function serviceRow([name, service]) {
  const mode = element("span", service.kind, service.kind === "up" ? "good" : "bad");
  const verbs = serviceVerbs[name].map(([verb, body]) => button(verb, name + "/" + verb, body));
  return row(name, mode, service.address, verbs);
}
function streamLine({ topic, senders, users }) {
  const line = element("div");
  const well = senders.includes("talking");
  line.append(
    element(
      "span",
      topic + " " + (senders.join(" + ") || "gone") + (users ? ", " + users + " users " : " "),
      well ? "good" : "bad",
    ),
    ...(senders.length === 0
      ? []
      : [well ? button("stall", "stream/" + topic + "/stall") : button("resume", "stream/" + topic + "/resume")]),
    senders.length === 0
      ? button("appear", "stream/" + topic + "/appear")
      : button("vanish", "stream/" + topic + "/vanish"),
    button("double", "stream/" + topic + "/double"),
  );
  return line;
}
function resourceLine({ name, available, reason }) {
  const line = element("div");
  line.append(
    element("span", name + ": " + (available ? "available, " : "") + reason + " ", available ? "good" : "bad"),
    available
      ? button("take off", "book/take-off", { resource: name, reason: "taken off by a person" })
      : button("put back", "book/put-back", { resource: name }),
  );
  return line;
}
function experimentRow(experiment, resources) {
  const { name, connected, streams } = experiment;
  const jump = [
    element("span", connected ? "connected " : "gone ", connected ? "good" : "bad"),
    connected ? button("pull", "host/" + name + "/pull") : button("plug", "host/" + name + "/plug"),
  ];
  const listed = resources.filter(({ stub }) => stub === name).map(resourceLine);
  return row(name, jump, streams.map(streamLine), listed.length ? listed : ["not listed"]);
}
function mailShown({ atMs, subject, text, answered }) {
  const made = element("details");
  made.append(
    element("summary", time(atMs) + "  " + subject + (answered ? "" : " (taken without an answer)")),
    element("pre", text),
  );
  return made;
}
let version = -1, mails = 0;
async function show(state) {
  byId("links").replaceChildren(
    ...Object.entries(state.links).flatMap(([name, href]) => {
      return [Object.assign(element("a", name), { href }), " "];
    }),
  );
  byId("services").replaceChildren(...Object.entries(state.services).map(serviceRow));
  byId("experiments").replaceChildren(...state.experiments.map((each) => experimentRow(each, state.resources)));
  byId("log").replaceChildren(
    ...state.happenings.toReversed().map(({ atMs, part, text }) =>
      element("div", time(atMs) + " " + part + ": " + text)
    ),
  );
  if (state.mails !== mails) {
    const arrived = await (await fetch("/control/mails")).json();
    byId("mails").replaceChildren(...arrived.toReversed().slice(0, 100).map(mailShown));
    byId("mails").firstChild.open = true;
    mails = state.mails;
  }
  version = state.version;
}
async function follow() {
  for (;;) {
    try {
      await show(await (await fetch("/control/state?after=" + version)).json());
    } catch {
      byId("fault").textContent = "The world does not answer; it may have been stopped.";
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}
follow();
